"""What columns are often called, and what people call it: a small list of synonyms by field."""

# field → words for it, as a part of a column's name or in a request.
FIELDS = {
    "income": (
        "income | incomes | salary | salaries | wage | wages | earnings | earn | earns | earning"
        " | pay grade | compensation | 50 k | makes money | rich | einkommen | gehalt | verdienst"
        " | verdient | verdienen | lohn | revenu | revenus | salaire | gagne | gagnent | ingreso"
        " | ingresos | salario | sueldo | gana | ganan | renta | reddito | redditi | stipendio"
        " | guadagna | guadagnano | renda | salário | rendimento | ganha | ganham | inkomen"
        " | inkomens | salaris | dochód | dochod* | zarob* | zarabia* | pensj* | доход* | зарплат*"
        " | заработ* | зарабатыва* | 收入 | 薪水 | 工资 | 薪资 | 收入水平 | 年収 | 収入 | 所得"
        " | 給料 | 소득 | 수입 | gelir* | inkomst* | penghasilan"
    ),
    "price": (
        "price | prices | cost | costs | worth | sells for | sell for | selling price | sale price"
        " | house value | home value | value of a house | value of the house | value of house*"
        " | values of house* | value of home* | price of a house | house values | home values"
        " | property value* | expensive | asking price | preis | preise | kostet | kosten"
        " | verkaufspreis | hauspreis* | hauspreise | immobilienpreis* | prix | coûte | coûtent"
        " | coût | precio | precios | cuesta | cuestan | costo | prezzo | prezzi | costa | costano"
        " | preço | preços | custa | custam | prijs | prijzen | verkoopprij* | huizenprij*"
        " | woningprij* | huisprij* | kost | cena | ceny | cenę | kosztuj* | цен* | стоимост*"
        " | стоит | стоят | 价格 | 房价 | 价钱 | 售价 | 多少钱 | 値段 | 価格 | 販売価格 | 住宅価格"
        " | 가격 | fiyat*"
    ),
    "churn": (
        "churn | churns | churned | churner | churners | churning | attrition | cancel | cancels"
        " | cancelled | canceled | leave us | leaves us | leaving us | quit | quits | will leave"
        " | who leave | who leaves | are leaving | is leaving | unsubscribe | exited | turnover"
        " | defect | jump ship | stay with us | abwander* | kündig* | kundenabwanderung | wechsel*"
        " | résili* | désabonn* | partir | abandon* | baja | abandono | fuga | abbandon*"
        " | disdetta | cancelamento | evasão | cancela* | opzegg* | zegt op | vertrek* | odejd*"
        " | odejś* | rezygn* | отток* | уход* | уйд* | 流失 | 离开 | 解約 | 離反 | 離脱 | 이탈"
    ),
    "survived": (
        "survived | survive | survives | survival | surviving | died | dies | death | deaths"
        " | mortality | alive | lived | drown* | perish* | überleb* | gestorben | survivre"
        " | survécu | survie | sobrevive | sobrevivir | sobrevivió | sobreviven | sobrevivieron"
        " | supervivencia | sopravviv* | sopravvissut* | sopravvivenza | sobreviveu"
        " | sobrevivência | sobreviver | overleef* | overleven | overleving | przeży* | выжи*"
        " | выжива* | 生存 | 幸存 | 存活 | 生き残* | 생존"
    ),
    "species": (
        "species | specie | kind of flower | type of flower | kind of iris | type of iris"
        " | which flower | which iris | sort of flower | flower type | flower kind | flowers"
        " | flower | iris type | iris kind | art | arten | blumenart | blütenart | pflanzenart"
        " | irisart | schwertlilienart | espèce | espèces | especie | especies | tipo de flor"
        " | espécie | espécies | soort | soorten | bloemsoort | gatunek | gatunku | gatunk* | вид"
        " | вида | виды | сорт ириса | 种类 | 品种 | 物种 | 花的种类 | 種類 | 品種 | 花の種類"
        " | 품종 | 종류"
    ),
    "cultivar": (
        "cultivar | cultivars | grape | grapes | grape variety | variety | varieties | wine type"
        " | type of wine | kind of wine | which wine | wine class | vineyard | winery | rebsorte*"
        " | sorte | traubensorte | weinsorte | cépage | cépages | variété | variedad | uva"
        " | variedad de uva | vitigno | varietà | casta | variedade | druivenras | druivensoort"
        " | wijnsoort | odmian* | szczep* | сорт* | 葡萄品种 | 品种 | ぶどう品種 | ブドウ品種"
        " | 品種 | 품종"
    ),
    "diagnosis": (
        "diagnosis | diagnose | diagnoses | malignant | malignancy | benign | cancerous | tumor"
        " | tumors | tumour | tumours | cancer | has cancer | is cancer | diagnosen | bösartig*"
        " | gutartig* | krebs | diagnostic | maligne | malignes | bénigne | bénignes | diagnóstico"
        " | maligno | malignos | benigno | cáncer | diagnosi | maligna | tumore | tumori | cancro"
        " | tumores | câncer | goedaardig | kwaadaardig | kanker | diagnoz* | złośliw* | rak"
        " | диагноз* | злокачествен* | рак | 诊断 | 恶性 | 良性 | 癌 | 肿瘤 | 診断 | 悪性 | 진단"
    ),
    "progression": (
        "progression | progress | progresses | disease progression | how far the disease"
        " | severity | worsen | worsens | gets worse | course of the disease | disease score"
        " | fortschreit* | verlauf | krankheitsverlauf | fortschritt | évolution | progressera"
        " | progresión | progreso | evolución | avanza | progressione | evoluzione | avanzamento"
        " | progressão | evolução | progressie | verloop | postęp* | rozwój choroby | прогрессир*"
        " | развити* | течение болезни | 进展 | 病情 | 病情进展 | 進行 | 進行度 | 진행"
    ),
    "quality": (
        "quality | qualities | rating | grade | qualität | qualité | calidad | qualità | qualidade"
        " | kwaliteit | jakość | качеств* | 质量 | 品質"
    ),
    "default": (
        "default | defaults | defaulted | repay | repays | repayment | loan status | pay back"
        " | pays back | creditworth* | kreditausfall | rückzahl* | défaut | impago | insolvenza"
        " | inadimplência | 违约 | 返済"
    ),
    "fraud": (
        "fraud | fraudulent | betrug | betrügerisch | fraude | frode | oszustw* | мошеннич* | 欺诈"
        " | 不正"
    ),
    "spam": "spam | junk mail",
    "sales": (
        "sales | revenue | turnover | umsatz | absatz | ventes | ventas | vendite | vendas"
        " | verkoop | sprzedaż | продаж* | 销售额 | 销量 | 売上"
    ),
    "demand": (
        "demand | nachfrage | demande | demanda | domanda | vraag | popyt | спрос | 需求 | 需要"
    ),
    "strength": (
        "strength | strong | festigkeit | druckfestigkeit | résistance | resistencia | resistenza"
        " | resistência | sterkte | druksterkte | wytrzymałoś* | прочност* | 强度 | 抗压强度"
        " | 強度 | 圧縮強度"
    ),
    "age": (
        "age | ages | old | alter | âge | edad | età | idade | leeftijd | wiek | возраст* | 年龄"
        " | 年齢 | 나이"
    ),
    "gender": (
        "gender | sex | geschlecht | sexe | genre | sexo | género | sesso | genere | geslacht"
        " | płeć | пол | 性别 | 性別"
    ),
    "weight": "weight | weigh | gewicht | poids | peso | waga | вес | 重量 | 体重",
    "education": (
        "education | schooling | degree | bildung | ausbildung | éducation | educación"
        " | istruzione | educação | opleiding | wykształcen* | образовани* | 教育 | 学历 | 学歴"
    ),
    "class": (
        "class | classes | category | klasse | kategorie | catégorie | clase | categoría"
        " | categoria | klas | klasa | класс* | категори* | 类别 | クラス"
    ),
}
# A request is more often about these than about a person's age.
TARGET_FIELDS = frozenset(FIELDS) - {"age", "gender", "weight", "education"}
# What a column is called if it is the one to predict.
TARGET_NAMES = frozenset({"target", "label", "class", "y", "outcome", "response"})
# What such a field usually holds, where nobody has looked at its cells.
FIELD_ROLES = {
    **dict.fromkeys(("price", "progression", "sales", "demand", "strength", "age"), "numeric"),
    **dict.fromkeys(("churn", "survived", "species", "cultivar", "diagnosis"), "categorical"),
    **dict.fromkeys(("default", "fraud", "spam", "class"), "categorical"),
}
