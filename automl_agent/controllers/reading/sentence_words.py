"""The words that tell what a sentence is about: verbs, what they join, what stands between."""

# ruff: noqa: RUF001 - a Cyrillic letter is meant to be one

from collections.abc import Mapping

# kind → value → phrases.
SENTENCE_WORDS: dict[str, Mapping[str, str]] = {
    # after: what is predicted usually follows the verb; before: it comes first.
    "cue": {
        "after": (
            "predict | predicts | predicting | prediction of | prediction for | predictions of"
            " | predictions for | predict*or for | pred | predcit | predit | pedict | prdict"
            " | perdict | forecast | forecasts | forecasting | estimate | estimates | estimating"
            " | estimation of | classify | classifies | classifying | classification of"
            " | classifier for | regress | infer | inferring | guess | determine | tell me"
            " | tells me | tell us | tell | find out | figure out | work out | know | model for"
            " | model of | model that knows | model the | to model | detect | identify"
            " | recognize | recognise | label the | diagnose | score the | sage | sag"
            " | prognostiziere | schatze | klassifiziere | klassifizier | vorhersage von"
            " | vorhersage der | vorhersage des | prognose von | prognose der | prognose des"
            " | bestimme | schatzung von | schatzung des | schatzung der | modell fur"
            " | vorhersage fur | predire | predis | predisez | prevoir | prevois | prevoyez"
            " | estimer | estime | estimez | classer | classe moi | classifier | classifie"
            " | prediction de | prediction du | deviner | modele pour | determiner | predecir"
            " | predice | prediga | predigo | predecirme | pronosticar | pronostica | estimar"
            " | estima | clasificar | clasifica | prediccion de | prediccion del | predecir el"
            " | adivinar | determinar | prevedere | prevedi | prevedere il | predire il | predici"
            " | stimare | stima | classificare | classifica | previsione di | previsione del"
            " | previsione della | indovinare | prever | preveja | preve | predizer | classifique"
            " | classificar | previsao de | previsao do | previsao da | adivinhar | voorspel"
            " | schat | classificeer | voorspelling van | bepaal | przewiduj | przewidz"
            " | przewidziec | przewidywac | prognozuj | prognozowac | oszacuj | klasyfikuj"
            " | sklasyfikuj | przewidywanie | przewidzenie | предскаж* | предсказ* | предсказыва*"
            " | прогноз | прогнозир* | спрогнозир* | оцени | оценить | классифицир* | определи"
            " | определить | предсказание | передбач* | спрогнозуй* | 预测 | 預測 | 预估 | 估计"
            " | 估算 | 分类 | 判断 | 推断 | 预报 | forutsi | forutsig | forudsig | forutsag"
            " | forutsaga | predikera | ennusta | predikuj | odhadni | prezice | προβλεψε"
            " | προβλεψη | du doan | prediksi | ramalkan | تنبأ | توقع | חזה"
        ),
        "before": (
            "be predicted | is predicted | predicted | to be estimated | be estimated"
            " | be forecast | be classified | prediction | predictions | predictor | classifier"
            " | vorhersagen | vorherzusagen | vorhersagt | vorhersagst | vorhergesagt"
            " | voraussagen | vorhersage | prognostizieren | prognose | schatzen | abschatzen"
            " | klassifizieren | vorher | bestimmen | voorspellen | voorspelt | voorspeld"
            " | schatten | classificeren | predite | predit | prevista | previsto | 予測 | 推定"
            " | 推測 | 分類 | 当てて | 当てる | 예측* | 분류* | 추정* | tahmin* | ongor*"
            " | भविष्यवाणी"
        ),
    },
    # What follows is the target, whatever else there is.
    "assign": {
        "": (
            "target is | target : | target = | target column | target variable | the target"
            " | as target | as the target | with target | target | label column | label is"
            " | label : | label = | labels are | as label | outcome is | outcome :"
            " | outcome variable | response variable | response is | dependent variable"
            " | dependent variable is | y = | y : | y is | target should be | target field"
            " | zielspalte | zielvariable | zielgrosse | ziel ist | ziel : | ziel | als ziel"
            " | das ziel ist | cible : | la cible est | cible est | variable cible"
            " | colonne cible | cible | comme cible | objetivo : | el objetivo es | objetivo es"
            " | variable objetivo | columna objetivo | objetivo | obiettivo :"
            " | variabile obiettivo | colonna obiettivo | obiettivo | variabile target | alvo :"
            " | variavel alvo | coluna alvo | alvo | a meta e | doel is | doelvariabele"
            " | doelkolom | doel | zmienna docelowa | kolumna docelowa | cel : | celem jest | cel"
            " | целевая переменная | целевой столбец | целевая колонка | цель | таргет | 目标列"
            " | 目标变量 | 目标是 | 目标 | 標的 | 目的変数 | ターゲット | 目標"
        ),
    },
    # What follows is where the rows come from or what the model may know, not the target.
    "from": {
        "": (
            "from | using | into | nach | use | uses | based on | given | in | on | with | out of"
            " | by means of | by | inside | via | per | as a function of | on the basis of | when"
            " | according to | regardless of | aus | anhand | auf | mit | in der | im"
            " | basierend auf | mithilfe | mittels | a partir de | a partir du | a partir des"
            " | avec | dans | depuis | sur | en fonction de | selon | usando | con | en | desde"
            " | a partir | segun | dentro de | basado en | da | dal | dai | dalla | nel | nella"
            " | su | sulla | in base a | a partire da | de | com | em | no arquivo | na tabela"
            " | do arquivo | usando o | uit | op basis van | met | op | van | z | ze"
            " | na podstawie | w | z pliku | za pomoca | из | по | на основе | с помощью | в"
            " | используя | на | 根据 | 基于 | 从 | 用 | 使用 | 利用 | から | を使って | を用いて"
            " | で"
        ),
    },
    "and": {
        "": (
            "and | & | und | et | y | e | ed | en | i | oraz | и | 和 | 与 | 以及 | 还有 | と"
            " | および | plus | also | as well as"
        ),
    },
    # Words that may stand between a verb and what it is about.
    "filler": {
        "": (
            "the | a | an | its | their | his | her | our | my | whether | if | how | much | many"
            " | what | which | who | is | are | was | of | for | to | column | columns | value"
            " | values | variable | field | feature | called | named | level | please | each"
            " | every | all | any | this | that | me | us | just | likely | probability | chance"
            " | risk | will | would | can | you | could | i | want | we | need | it | out"
            " | binary | future | unknown | quickly | correctly | both | either | label | target"
            " | der | die | das | den | dem | des | ein | eine | einen | ob | wie | wieviel"
            " | spalte | wert | bitte | mir | welche | welcher | welches | jeder | jede | jedes"
            " | von | vom | zu | dass | le | la | les | l | un | une | du | de | d | si | combien"
            " | colonne | valeur | s | quel | quelle | el | los | las | una | cuanto | columna"
            " | valor | que | del | lo | por favor | cual | al | colonnes | columnas | colunas"
            " | kolommen | kolumny | spalten | felder | fields | столбцы | столбцов | колонки"
            " | колонок | quiero | saber | se | vorrei | sapere | voglio | quero | je | veux"
            " | voudrais | savoir | ich | möchte | wissen | wil | weten | chcę | хочу | узнать"
            " | нужно | customer | customers | people | person | persons | someone | client"
            " | clients | kunden | kunde | clientes | cliente | clienti | klanten | klant"
            " | klienci | клиент* | 客户 | 顧客 | 用户 | 想 | 知道 | 要 | il | gli | uno | quanto"
            " | colonna | valore | della | dello | di | quale | o | os | as | um | uma | coluna"
            " | do | da | dos | qual | het | een | hoeveel | kolom | waarde | welk | wat | czy"
            " | ile | kolumne | kolumna | wartosc | jaki | jaka | ли | столбец | колонку"
            " | колонка | значение | сколько | какой | какая | пожалуйста | 是否 | 列 | 的 | 值"
            " | を | の | が | は | に | 请 | 一下 | 다 | 을 | 를 | 把 | 每 | 个 | \" | ' | ` | “"
            " | ” | „ | « | » | 「 | 」 | ( | ) | : | = | * | number of | should be | est | sont"
            " | chaque | ist | sind | es | son | è | sono | é | são | zijn | these | those | some"
            " | does | did | quais | quels | quelles | quali | cuáles | cuál | quién | quem | wer"
            " | chi | vont | vão | van | gaan | werden | wird | sera | será | sarà | кто | 誰"
            " | 谁"
        ),
    },
    "each": {
        "": (
            "each table | every table | all tables | each file | every file | all files"
            " | each of the tables | each of the files | each csv | every csv | all csv files"
            " | each dataset | every dataset | all datasets | each data set | every data set"
            " | all data sets | both tables | both files | both datasets | each one of the tables"
            " | jede tabelle | alle tabellen | jede datei | alle dateien | beide tabellen"
            " | jeder tabelle | chaque table | chaque tableau | chaque fichier"
            " | tous les fichiers | toutes les tables | cada tabla | cada archivo"
            " | todas las tablas | todos los archivos | ogni tabella | ogni file"
            " | tutte le tabelle | cada tabela | cada arquivo | todas as tabelas | elke tabel"
            " | kazdej tabeli | kazdego pliku | каждой таблицы | каждого файла | всех таблиц"
            " | каждой таблице | 每个表 | 每个文件 | 所有表 | 每张表 | 各テーブル"
            " | すべてのテーブル | 各ファイル"
        ),
    },
    "position": {
        "last": (
            "last column | final column | rightmost column | last field | letzte spalte"
            " | letzten spalte | derniere colonne | ultima columna | ultima colonna"
            " | ultima coluna | laatste kolom | ostatnia kolumna | ostatnia kolumne"
            " | последний столбец | последнюю колонку | последнего столбца | 最后一列 | 最後の列"
        ),
        "first": (
            "first column | leftmost column | erste spalte | premiere colonne | primera columna"
            " | prima colonna | primeira coluna | eerste kolom | 第一列 | 最初の列"
            " | первый столбец"
        ),
    },
    "task": {
        "regression": (
            "regression | regressor | régression | regresión | regressione | regressão | regresja"
            " | регресси* | 回归 | 回帰"
        ),
        "binary_classification": (
            "binary classification | two class | yes or no | yes / no | binäre klassifikation"
            " | classification binaire | clasificación binaria | classificazione binaria"
            " | classificação binária | бинарная классификация | 二分类 | 二値分類"
        ),
        "multiclass_classification": (
            "multiclass | multi class | multiclass classification | multi class classification"
            " | mehrklassen* | classification multiclasse | clasificación multiclase"
            " | многоклассовая классификация | 多分类 | 多クラス分類"
        ),
        "classification": (
            "classification | klassifikation | clasificación | classificazione | classificação"
            " | classificatie | klasyfikacja | классификация"
        ),
    },
    "ignore": {
        "": (
            "ignore | ignores | ignoring | drop | dropping | exclude | excluding | leave out"
            " | leaving out | omit | omitting | except | except for | but not | all but"
            " | everything but | skip | skipping | remove | removing | without | do not use"
            " | don't use | don t use | dont use | not using | never use | discard | disregard"
            " | but ignore | apart from | other than | not the columns | not the column"
            " | no access to | must not use | may not use | should not use | shouldn't use"
            " | mustn't use | not use | ignoriere | ignorieren | ignorier | ohne | außer"
            " | weglassen | verzichte auf | nicht verwenden | lasse | nicht nutzen | entferne"
            " | nutze nicht | verwende nicht | ignorer | ignorez | ignorant | sans | sauf"
            " | en ignorant | exclure | exclus | n'utilise pas | sans utiliser | ne pas utiliser"
            " | supprime | ignora | ignorando | ignorar | sin | excepto | excluye | excluyendo"
            " | no uses | sin usar | elimina | quita | ignorare | senza | escludi | tranne"
            " | non usare | escludendo | sem | exceto | exclua | não use | sem usar | excluindo"
            " | negeer | zonder | behalve | laat | gebruik niet | negeren | ignoruj | bez | pomin"
            " | pomijajac | z wyjatkiem | oprocz | nie uzywaj | игнорируй | игнорируя | без"
            " | кроме | исключи | исключая | не используй | не используя | игнорировать | 忽略"
            " | 不使用 | 去掉 | 除了 | 不要用 | 不用 | 排除 | 不要使用 | を除いて | を除く"
            " | を無視 | 無視 | 除外 | なしで | を使わ"
        ),
    },
    # Nothing but the columns that follow.
    "only": {
        "": (
            "only use | use only | using only | only using | only from | from only | only with"
            " | with only | only the columns | nur mit | nur aus | nur die spalten | verwende nur"
            " | nutze nur | uniquement | seulement | solo con | usando solo | solo usando"
            " | usa solo | somente | apenas | alleen met | tylko | только | 只用 | 只使用 | 仅用"
            " | 仅使用 | だけを使"
        ),
    },
    "negation": {
        "": (
            "not | no | non | never | avoid | anything but | instead of | rather than"
            " | other than | without | don't use | do not use | don't want | do not want"
            " | no more | except | neither | nor | dont use | exclude | not a | not an | kein"
            " | keine | keinen | keinem | nicht | ohne | statt | anstelle von | anstatt | außer"
            " | pas | sans | au lieu de | pas de | plutôt que | sauf | aucun | sin | en vez de"
            " | en lugar de | ningún | no uses | nada de | excepto | senza | invece di | niente"
            " | não | sem | em vez de | geen | niet | zonder | in plaats van | nie | bez"
            " | zamiast | не | без | вместо | кроме | 不用 | 不要 | 不使用 | 别用 | 而不是 | 以外"
            " | を使わ | なしで | ではなく"
        ),
    },
    "time_split": {
        "": (
            "latest | newest | most recent | chronologic* | time split | time based split"
            " | split by time | by time | split by date | split on date | temporal split"
            " | temporally | out of time | in time order | time ordered | time order | the future"
            " | last rows by | later rows | past to predict | zeitlich* | neueste* | neuste*"
            " | letzten zeilen | nach datum | nach zeit | chronologisch* | plus récent*"
            " | chronologique* | par date | par ordre chronologique | más reciente* | cronológic*"
            " | por fecha | più recent* | per data | mais recente* | por data | nieuwste"
            " | op datum | najnowsz* | chronologicz* | по времени | по дате | последн* строк*"
            " | самых новых | новейш* | 最新 | 按时间 | 按日期 | 时间顺序 | 時系列 | 日付順"
            " | 時間順 | 新しい"
        ),
    },
    "group_split": {
        "": (
            "in both | group by | grouped by | group split | split by group | grouping by"
            " | group k fold | group | both sides | both parts | both train* and test | same side"
            " | one side only | leave one | by groups of | train and in test"
            " | both training and test | keep together | stay together | kept together"
            " | gruppiert nach | gruppiere nach | nach gruppen | in beiden | sowohl im training"
            " | groupé* par | grouper par | dans les deux | agrupa* por | en ambos"
            " | raggruppa* per | in entrambi | agrupad* por | em ambos | gegroepeerd op"
            " | in beide | grupuj po | w obu | сгруппир* по | группир* по | в обе* част*"
            " | и в обучени* и в тест* | 分组 | 同时出现 | グループ | 両方"
        ),
    },
    "number": {
        "0.5": (
            "half an | half a | half | eine halbe | halbe | halben | demi | une demi | media"
            " | mezza | mezz | meia | half uur | pół | пол"
        ),
        "1": (
            "one | ein | eine | einer | une | uno | una | uma | jeden | jedn* | один | одну"
            " | одна | 一"
        ),
        "2": (
            "two | zwei | deux | dos | due | dois | duas | twee | dwa | dwie | два | две | 二 | 两"
        ),
        "3": "three | drei | trois | tres | tre | três | drie | trzy | три | 三",
        "4": "four | vier | quatre | cuatro | quattro | quatro | cztery | четыре | 四",
        "5": "five | fünf | cinq | cinco | cinque | vijf | pięć | пять | 五",
        "6": "six | sechs | seis | sei | zes | sześć | шесть | 六",
        "8": "eight | acht | huit | ocho | otto | oito | osiem | восемь | 八",
        "10": "ten | zehn | dix | diez | dieci | dez | tien | dziesięć | десять | 十",
        "12": "twelve | zwölf | douze | doce | dodici | doze | twaalf",
        "15": "fifteen | fünfzehn | quinze | quince | quindici | vijftien | пятнадцать",
        "20": (
            "twenty | zwanzig | vingt | veinte | venti | vinte | twintig | dwadzieścia | двадцать"
            " | 二十"
        ),
        "30": (
            "thirty | dreißig | trente | treinta | trenta | trinta | dertig | trzydzieści"
            " | тридцать | 三十"
        ),
    },
    # What cannot be trained here, named as in "… asks for clustering".
    "unsupported": {
        "clustering": (
            "cluster | clusters | clustering | segment | segmentation | group my | group the"
            " | cluster*e | clustere | segmentiere | regrouper | regroupe | agrupar | agrupa"
            " | raggruppare | raggruppa | 聚类 | クラスタリング | кластериз*"
        ),
        "generation": (
            "generate | generating | draw | paint | write | compose | create an image"
            " | create images | create pictures | create a picture | create a video"
            " | make a picture | make a video | synthesize | synthesise | render | design a logo"
            " | schreib | schreibe | generiere | erzeuge | zeichne | male | écris | écrire"
            " | génère | générer | dessine | escribe | genera | generar | dibuja | scrivi"
            " | disegna | escreva | gere | desenhe | schrijf | genereer | teken | napisz"
            " | wygeneruj | narysuj | напиши | сгенерируй | нарисуй | 写一首 | 生成 | 画 | 描いて"
            " | 書いて"
        ),
        "text work": (
            "translate | summarize | summarise | summary of | answer questions | answer my"
            " | answer the question* | chatbot | chat with | paraphrase | proofread"
            " | question answering | übersetze | fasse | traduis | traduire | résume | traduce"
            " | traducir | resume | traduci | riassumi | traduza | vertaal | przetłumacz"
            " | переведи | 翻译 | 翻訳 | 要約 | 总结"
        ),
        "recommendations or search": (
            "recommend | recommendation* | recommender | search for | retrieve | empfiehl"
            " | recommande | recomienda | 推荐"
        ),
        "a plot": "plot | histogram | visualize | visualise | chart | 绘制 | 画图",
        "an analysis": (
            "correlation between | correlate | compute | calculate | berechne | calcule | calcula"
            " | calcola | how many rows | how many columns | average of | count the"
            " | describe the data | delete | open | convert | clean | sort | merge | show me"
            " | list the | print | download | upload | deploy | explain what | wie viele zeilen"
            " | zeige mir | lösche | affiche | give me the | show | shows | describe | explain"
            " | rename | distribution | average | statistics of | encoded | join | filter"
            " | concatenate | how is the | lower case | upper case | find the best route | book a"
            " | play | buy | plant | montre | décris | explique | moyen | promedio | muestra"
            " | explica | media di | mostra | spiega | mostre | toon | gemiddelde | pokaż"
            " | średni* wiek | покажи | объясни | средн* возраст | 显示 | 解释 | 見せて | 説明"
            " | what share of | what percentage of | what proportion of | what fraction of"
            " | share of"
        ),
        "anomaly detection": (
            "anomal* | outlier detection | detect outliers | find outliers | novelty detection"
        ),
    },
    # What no table holds, named as in "… asks for a model of audio".
    "modality": {
        "images or videos": (
            "image | images | photo | photos | picture | pictures | video | videos | pixel*"
            " | bild | bilder | bildern | fotos | foto | photographie* | imagen | imágenes"
            " | immagin* | imagem | imagens | afbeelding* | obraz* | zdjęci* | изображени*"
            " | фото* | картин* | 图片 | 图像 | 照片 | 視頻 | 视频 | 画像 | 写真 | x ray | x rays"
            " | scans | mri | camera | webcam | frames | bounding box* | portrait* | face | faces"
            " | handwrit* | scanned | satellite | visage* | gesicht* | mammogram* | ultrasound*"
        ),
        "audio": (
            "audio | speech | music | song | songs | voice | sound recording* | recordings"
            " | sprache | musik | musique | 音频 | 语音 | 音声 | wav | mp3 | podcast* | recording"
        ),
        "free text": (
            "tweets | emails | e mails | documents | articles | sentences | paragraphs | pdfs"
            " | pdf | news | chat messages | poem | poems | essay | story | gedicht | poème"
            " | poema | poesia | poesía | стих* | 诗 | 詩"
        ),
        "a series that is in no table": (
            "weather | stock market | stock price* | exchange rate* | bitcoin | wetter | météo"
            " | tiempo de mañana | погод* | 天气 | 天気 | gold | oil price* | crypto* | currency"
            " | lottery | football | soccer | world cup"
        ),
    },
    # That a request without another verb is about training.
    "train": {
        "": (
            "train | trains | training | fit | fitting | build | building | learn | learns"
            " | make a model | make me a model | set up | create a model | develop | run | do a"
            " | compare | use | using | need | want | model | models | modelling | regression"
            " | classification | classifier | predictor | trainiere | trainieren | baue"
            " | erstelle ein modell | modell | modelle | verwende | nutze | entraîne | entraîner"
            " | construis | utilise | modèle | entrena | entrenar | construye | usa | modelo"
            " | addestra | addestrare | costruisci | modello | treine | treinar | construa | bouw"
            " | gebruik | getraind | wytrenuj | zbuduj | użyj | обучи | обучить | построй"
            " | построить | модель | 训练 | 模型 | 建立 | 学習 | モデル"
        ),
    },
}
