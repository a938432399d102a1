"""The words for metrics, and for kinds of models."""

# ruff: noqa: RUF001 - a Cyrillic letter is meant to be one

# registered name → the phrases for it.
METRICS = {
    "roc_auc": (
        "auc | roc auc | auc roc | auroc | roc | rocauc | area under the curve"
        " | area under the roc curve | area under roc | aire sous la courbe | área bajo la curva"
        " | area sotto la curva | área sob a curva | fläche unter der kurve | площадь под кривой"
        " | 曲线下面积 | c statistic"
    ),
    "average_precision": (
        "average precision | pr auc | auprc | auc pr | precision recall auc"
        " | area under the precision recall curve | mean average precision | aucpr"
        " | precision recall curve"
    ),
    "balanced_accuracy": (
        "balanced accuracy | balanced acc | macro recall | balancierte genauigkeit"
        " | ausgewogene genauigkeit | exactitude équilibrée | précision équilibrée"
        " | precisión equilibrada | precisión balanceada | exactitud balanceada"
        " | accuratezza bilanciata | acurácia balanceada | gebalanceerde nauwkeurigheid"
        " | сбалансированная точность | 平衡准确率 | balanced accuracy score"
    ),
    "accuracy": (
        "accuracy | accuracies | acc | accuarcy | acuracy | accurracy | accurancy | hit rate"
        " | share of correct | percent correct | genauigkeit | trefferquote | exactitude"
        " | précision | taux de bonnes réponses | exactitud | precisión | accuratezza | acurácia"
        " | precisione | precisão | nauwkeurigheid | dokładność | dokładności | dokładnością"
        " | точность | точности | точностью | 准确率 | 正确率 | 精度 | 準確率 | 正解率 | 정확도"
    ),
    "f1_macro": (
        "f1 | f 1 | f1 score | f1 macro | macro f1 | f measure | f score | f1 maß | score f1"
        " | f1 値 | f1分数 | f1 wert | puntuación f1"
    ),
    "log_loss": (
        "log loss | logloss | cross entropy | crossentropy | kreuzentropie | entropie croisée"
        " | entropía cruzada | entropia incrociata | entropia cruzada | negative log likelihood"
        " | log likelihood | nll | logarithmic loss | логлосс | кросс энтропия | 交叉熵 | 对数损失"
        " | 対数損失 | 交差エントロピー"
    ),
    "brier": "brier | brier score | well calibrated | calibrated probabilities | calibration",
    "rmse": (
        "rmse | root mean squared error | root mean square error | mean squared error"
        " | mean square error | mse | mean squared | root mean squared | squared error"
        " | squared errors | rms error | wurzel des mittleren quadratischen fehlers"
        " | mittlerer quadratischer fehler | quadratischer fehler | mittleren quadratischen fehler"
        " | erreur quadratique moyenne | erreur quadratique | error cuadrático medio"
        " | error cuadrático | errore quadratico medio | errore quadratico | erro quadrático médio"
        " | erro quadrático | gemiddelde kwadratische fout | kwadratische fout"
        " | błąd średniokwadratowy | среднеквадратичн* ошибк* | среднеквадратичное отклонение"
        " | 均方根误差 | 均方误差 | 二乗平均平方根誤差 | 平均二乗誤差"
    ),
    "mae": (
        "mae | mean absolute error | absolute error | average error | mean absolute deviation"
        " | absolute errors | mean absolute | mittlerer absoluter fehler"
        " | mittleren absoluten fehler | absoluter fehler | durchschnittlicher fehler"
        " | erreur absolue moyenne | erreur absolue | error absoluto medio | error absoluto"
        " | errore assoluto medio | errore medio assoluto | erro absoluto médio"
        " | erro médio absoluto | gemiddelde absolute fout | średni błąd bezwzględny"
        " | средн* абсолютн* ошибк* | 平均绝对误差 | 平均絶対誤差"
    ),
    "r2": (
        "r2 | r 2 | r squared | rsquared | r ^ 2 | coefficient of determination"
        " | explained variance | variance explained | bestimmtheitsmaß"
        " | coefficient de détermination | coeficiente de determinación"
        " | coefficiente di determinazione | coeficiente de determinação"
        " | коэффициент детерминации | 决定系数 | 決定係数"
    ),
}

# family → the phrases of a person who wants it. Which experts are of it, their cards tell.
FAMILIES = {
    "boosting": (
        "gradient boosting | gradient boosted trees | gradient boosted decision trees | boosting"
        " | boosted trees | boosted decision trees | boosted tree | boosted model | gbm | gbdt"
        " | gbt | boosted | boosting trees | geboostete bäume | gradient boosting trees"
        " | arbres boostés | árboles potenciados | градиентн* бустинг* | бустинг* | 梯度提升"
        " | 梯度提升树 | 提升树 | 勾配ブースティング | ブースティング | gradienten boosting"
    ),
    "forest": (
        "random forest | random forests | randomforest | forest | forests"
        " | extremely randomised trees | extremely randomized trees | extremely random trees"
        " | random trees | bagged trees | bagging | zufallswald | wälder | forêt aléatoire"
        " | forêts aléatoires | bosque aleatorio | bosques aleatorios | foresta casuale"
        " | foreste casuali | floresta aleatória | florestas aleatórias | willekeurig bos"
        " | las losowy | lasem losowym | случайн* лес* | 随机森林 | ランダムフォレスト"
    ),
    "tree": (
        "tree | trees | decision tree | decision trees | tree based | tree model | tree models"
        " | tree ensemble | entscheidungsbaum | entscheidungsbäume | bäume | baummodell* | arbre*"
        " | árbol* | alberi | albero | árvore* | bomen | drzew* | деревья | деревьев | деревь*"
        " | 决策树 | 树模型 | 決定木"
    ),
    "linear": (
        "linear model | linear models | linear | linear regression | logistic regression"
        " | logistic | logit | logreg | ridge | ridge regression | glm | linear classifier"
        " | linear one | generalized linear model | lineares modell | lineare regression"
        " | logistische regression | lineare* modell* | modèle linéaire | régression logistique"
        " | régression linéaire | linéaire | modelo lineal | regresión logística"
        " | regresión lineal | lineal | modello lineare | regressione logistica"
        " | regressione lineare | lineare | modelo linear | regressão logística | regressão linear"
        " | lineair model | lineair* | logistische regressie | model liniowy | liniow*"
        " | regresja logistyczna | regresji logistycznej | regresją logistyczną | линейн*"
        " | линейн* модел* | логистическ* регресс* | 线性模型 | 线性 | 线性回归 | 逻辑回归"
        " | 線形モデル | 線形 | ロジスティック回帰 | 線形回帰"
    ),
    "neighbours": (
        "nearest neighbours | nearest neighbors | nearest neighbour | nearest neighbor | knn"
        " | k nn | k nearest neighbours | k nearest neighbors | nächste nachbarn"
        " | plus proches voisins | 最近邻"
    ),
    "neural network": (
        "neural network | neural networks | neural net | neural nets | deep learning | mlp"
        " | multilayer perceptron | transformer | tabular transformer | neuronales netz"
        " | neuronale netze | réseau de neurones | réseaux de neurones | red neuronal"
        " | redes neuronales | rete neurale | rede neural | нейросеть | нейронн* сет* | 神经网络"
        " | 深度学习 | ニューラルネットワーク"
    ),
    "support vector machine": "svm | support vector machine | support vector machines | svc",
    "bayes": "naive bayes | bayesian network | bayes",
    "gaussian process": "gaussian process | gaussian processes",
    "catboost": "catboost | cat boost",
    "lightgbm": "lightgbm | light gbm | lgbm",
    "xgboost": "xgboost | xgb | xg boost | xgbost | xgboos | xgboots | x g boost",
    "autogluon": "autogluon",
    "lasso": "lasso | elastic net",
}
# What the card of an expert of the family says of itself.
FAMILY_MARKS = {
    "boosting": ("boost",),
    "forest": ("forest", "randomised trees", "randomized trees"),
    "tree": ("tree", "forest"),
    "linear": ("linear", "logistic", "ridge"),
    "neighbours": ("neighbour", "neighbor"),
    "neural network": ("neural", "perceptron", "transformer", "deep"),
    "support vector machine": ("support vector", "svm"),
    "bayes": ("bayes",),
    "gaussian process": ("gaussian process",),
    "lasso": ("lasso", "elastic net"),
}
