"""The words for amounts, limits and wishes."""

# ruff: noqa: RUF001 - a Cyrillic letter is meant to be one

UNITS = {
    "us": (
        "us | µs | μs | microsecond | microseconds | mikrosekunde* | microseconde* | microsegundo*"
    ),
    "ms": (
        "ms | msec | millisecond | milliseconds | millis | millisekunde* | milliseconde*"
        " | milisegundo* | millisecond* | milisekund* | миллисекунд* | мс | 毫秒 | ミリ秒"
    ),
    "s": (
        "s | sec | secs | second | seconds | sekunde | sekunden | seconde | secondes | segundo"
        " | segundos | secondi | secondo | seconden | sekund | sekundy | секунд* | сек | 秒"
    ),
    "min": (
        "min | mins | minute | minutes | minuten | minuto | minutos | minuti | minuut | minut"
        " | minuty | минут* | мин | 分钟 | 分鐘 | 分"
    ),
    "h": (
        "h | hr | hrs | hour | hours | stunde | stunden | heure | heures | hora | horas | ora"
        " | ore | uur | uren | godzin* | час | часа | часов | 小时 | 时间 | 時間"
    ),
    "kB": "kb | kilobyte | kilobytes | ko | кб",
    "MB": (
        "mb | megabyte | megabytes | mo | mégaoctet* | megabyte* | мб | мегабайт* | 兆"
        " | メガバイト | meg | megs"
    ),
    "GB": "gb | gigabyte | gigabytes | go | гб",
    "KiB": "kib",
    "MiB": "mib",
    "GiB": "gib",
    "%": (
        "% | percent | per cent | prozent | pour cent | por ciento | per cento | por cento"
        " | procent | процент* | パーセント | pct"
    ),
    "trials": (
        "trial | trials | try | tries | attempt | attempts | trainings | configurations"
        " | hyperparameter settings | models | versuch | versuche | versuchen | durchläufe | essai"
        " | essais | intento | intentos | ensayos | prueba | pruebas | tentativi | prove"
        " | tentativa | tentativas | pogingen | prób | próby | попыт* | испытани* | 次试验"
        " | 次尝试 | 次 | 回 | 回の試行"
    ),
    "rows/s": (
        "rows per second | rows a second | predictions per second | predictions a second"
        " | rows / s | rows / sec | zeilen pro sekunde | lignes par seconde | filas por segundo"
        " | righe al secondo | linhas por segundo | строк в секунду | 行每秒"
    ),
    "x": "x | times | fold | mal | fois | veces | volte | vezes | keer | razy | раз* | 倍",
}

# Parts of what it was: "half the size", "twice as fast".
RATIOS = {
    "0.5": (
        "half the | half as | half of the | half its | twice as | double the | halve the | halb so"
        " | doppelt so | halbe | die hälfte | deux fois plus | deux fois moins | moitié moins"
        " | la moitié | dos veces más | el doble de | la mitad | due volte più | il doppio"
        " | la metà | metade d* | duas vezes mais | o dobro | half zo | twee keer zo | dubbel zo"
        " | dwa razy | o połowę | вдвое | в два раза | в 2 раза | наполовину | 一半 | 两倍 | 半分"
        " | 二倍"
    ),
    "0.3333": (
        "a third of the | a third the | one third | three times as | drei mal so | dreimal so"
        " | trois fois plus | tres veces más | tre volte più | в три раза | втрое | 三分之一"
        " | 三倍"
    ),
    "0.25": (
        "a quarter of the | a quarter the | four times as | viermal so | quatre fois plus"
        " | cuatro veces más"
    ),
    "0.1": (
        "a tenth of the | a tenth the | ten times as | zehnmal so | dix fois plus | diez veces más"
        " | в десять раз"
    ),
}

LIMITS = {
    "<=": (
        "under | below | less than | smaller than | lower than | at most | max | max . | maximum"
        " | maximally | no more than | not more than | up to | not exceed | not exceeding | within"
        " | < | < = | ≤ | faster than | quicker than | lighter than | shorter than | never above"
        " | not above | stay under | no larger than | no bigger than | capped at | cap of"
        " | limit of | in less than | in under | no slower than | or less | or faster | or smaller"
        " | not over | at the most | limited to | sub | unter | unterhalb | weniger als"
        " | höchstens | hoechstens | maximal | kleiner als | schneller als | nicht mehr als"
        " | bis zu | nicht über | moins de | au plus | sous | au maximum | inférieur* à"
        " | plus petit que | plus rapide que | en moins de | pas plus de | ne dépasse pas"
        " | menos de | como máximo | máximo | inferior a | menor que | menor de | por debajo de"
        " | a lo sumo | no más de | bajo | menor a | más rápido que | meno di | al massimo"
        " | inferiore a | sotto | massimo | non più di | minore di | entro | sotto i | sotto il"
        " | no máximo | abaixo de | menos que | até | menor do que | não mais de | minder dan"
        " | hoogstens | maximaal | onder | kleiner dan | niet meer dan | ten hoogste | sneller dan"
        " | poniżej | mniej niż | maksymalnie | najwyżej | co najwyżej | nie więcej niż"
        " | mniejszy niż | do | меньше | менее | не более | не больше | до | максимум | ниже"
        " | не превыша* | не дольше | 低于 | 小于 | 不超过 | 少于 | 以内 | 之内 | 最多 | 不大于"
        " | 未満 | 以下 | 최대 | 이하 | 미만"
    ),
    ">=": (
        "at least | over | above | more than | greater than | higher than | min | minimum"
        " | no less than | not less than | > | > = | ≥ | or more | or better | or higher | exceed*"
        " | beat | reach | achieve | get to | better than | not below | no lower than"
        " | never below | not under | not drop below | not fall below | at the very least"
        " | mindestens | wenigstens | über | mehr als | größer als | minimal | nicht unter"
        " | besser als | erreiche* | au moins | plus de | supérieur* à | au minimum | au dessus de"
        " | al menos | por lo menos | más de | mínimo | como mínimo | superior a | mayor que"
        " | por encima de | mayor a | almeno | più di | superiore a | minimo | sopra | non meno di"
        " | pelo menos | no mínimo | acima de | mais de | maior que | minstens | ten minste"
        " | tenminste | minimaal | meer dan | boven | co najmniej | przynajmniej | powyżej | ponad"
        " | минимум | не менее | не меньше | не ниже | выше | больше | более | хотя бы | 至少"
        " | 高于 | 以上 | 超过 | 大于 | 不低于 | 不少于 | 少なくとも | 이상"
    ),
}

PER_ROW = {
    "": (
        "a row | per row | each row | / row | per prediction | a prediction | per sample"
        " | a sample | per record | a record | per example | per instance | per case | one row"
        " | for each row | for one row | per request | to predict a row | to predict one row"
        " | to predict each row | latency | inference time | prediction time | inference"
        " | scoring time | pro zeile | je zeile | pro vorhersage | vorhersagezeit | latenz"
        " | par ligne | par prédiction | latence | por fila | por predicción | latencia | per riga"
        " | por linha | por previsão | latência | per rij | na wiersz | на строку | за строку"
        " | 每行 | 每条 | 一行 | 1 行 | 行あたり | 1 行あたり | 当たり"
    ),
}

FIT_TIME = {
    "": (
        "training time | its training | the training | training must | training may"
        " | training has to | training should | fit time | fitting time | time to train"
        " | time to fit | trains in | fits in | retrain in | retrains in | retraining"
        " | retrained in | to retrain | trained in | training takes | training must take"
        " | training should take | fit within | train within | trains within | refit"
        " | trainingszeit | trainingsdauer | temps d'entraînement | tiempo de entrenamiento"
        " | tempo di addestramento | tempo de treino | trainingstijd | czas trenowania"
        " | время обучения | обучени* за | 训练时间 | 学習時間"
    ),
}

SIZE = {
    "": (
        "size | big | large | memory | footprint | disk | weigh | weighs | größe | gross | groß"
        " | taille | tamaño | dimensione | dimensioni | tamanho | grootte | groot | rozmiar"
        " | размер | 大小 | サイズ"
    ),
}

SPEED = {
    "": (
        "fast | speed | quick | latency | time | slow | schnell | tempo | rapide | vitesse"
        " | rápido | rapida | velocidad | veloce | velocità | veloz | snel | szybk* | быстр* | 快"
        " | 速い | 速度"
    ),
}

# loss: how much may be lost; none: nothing may.
LOSSES = {
    "loss": (
        "lose | loses | losing | loss | loss of | lost | drop | drops | dropping | worse"
        " | decrease | decreases | degrade* | degradation | sacrific* | give up | giving up"
        " | cost* me | sinking | sink | fall by | falls by | reduction | decline | trade off"
        " | hurting | less | lower | rise | rises | increase | increases | grow | tolerate"
        " | tolerance | within | verlieren | verlier | verliere | verlust | einbuß* | schlechter"
        " | sinken | verschlechter* | weniger | perdre | perds | perdant | perte | baisse"
        " | baisser | pire | perder | pierde | pierda | perdiendo | pérdida | bajar | peor | caer"
        " | perdere | perdi | perdendo | perdita | peggio | calo | perca | perda | pior | cair"
        " | verlies | verliezen | slechter | strac* | strat* | stracić | utrat* | spad* | потер*"
        " | потеря* | снижени* | хуже | теря* | упасть | упад* | 损失 | 下降 | 降低 | 失う | 低下"
        " | 落と* | 落ち | 下げ | 하락"
    ),
    "none": (
        "same | keep | keeping | as accurate as | maintain | maintaining | without losing"
        " | without loss of | without any loss of | without sacrificing | without hurting"
        " | no loss of | no loss in | don't lose | do not lose | not lose | not losing"
        " | just as accurate | not worse | no worse | unchanged | gleiche* | ohne verlust"
        " | nicht schlechter | beibehalten | ohne einbuß* an | même | sans perdre | garde"
        " | gardant | misma | mismo | sin perder | mantén | manten* | stessa | senza perdere"
        " | mantieni | mesma | sem perder | mantenha | zelfde | zonder verlies | ta sama | tę samą"
        " | bez utraty | bez straty | без потери | той же | сохран* | 保持 | 不降低 | 維持"
    ),
}

WISHES = {
    "smaller": (
        "smaller | lighter | tinier | more compact | tiny model | small model | compact model"
        " | lightweight | as small as possible | reduce the size | shrink | small | too big"
        " | too large | less memory | light model | kleiner | kleineres | kleinere"
        " | kleines modell | zu groß | leichter | plus petit | plus petite | plus léger"
        " | plus légère | petit modèle | trop gros | más pequeño | más pequeña | más ligero"
        " | pequeño | más liviano | più piccolo | più piccola | più leggero | piccolo | menor"
        " | mais leve | pequeno | modelo menor | te groot | mniejsz* | za duży | меньше | меньший"
        " | поменьше | компактн* | легче | 更小 | 小一点 | 小さく | 小さい | より小さ* | 小さな"
        " | 더 작"
    ),
    "faster": (
        "faster | quicker | speedier | speed up | speed it up | fast model | quick model"
        " | as fast as possible | lower latency | low latency | too slow | more quickly | fast"
        " | schneller | schnelleres | schnellere | schnelles modell | zu langsam | plus rapide"
        " | plus vite | trop lent | rapide | más rápido | más rápida | demasiado lento | rápido"
        " | più veloce | più rapido | troppo lento | veloce | mais rápido | mais rápida"
        " | muito lento | sneller | te langzaam | szybsz* | szybciej | za wolny | быстрее"
        " | побыстрее | слишком медленн* | быстр* модел* | 更快 | 快一点 | 太慢 | 速く | 速い"
        " | 高速 | 더 빠"
    ),
    "more accurate": (
        "more accurate | more precise | better | improve | improve it | higher accuracy"
        " | better accuracy | increase accuracy | as accurate as possible | most accurate"
        " | fewer errors | fewer mistakes | not good enough | not accurate enough | too inaccurate"
        " | make it better | best possible | genauer | besser | präziser | verbesser* | zu ungenau"
        " | plus précis | plus précise | meilleur* | mieux | améliore* | más preciso | más precisa"
        " | más exacto | mejor | mejora* | più preciso | più accurato | migliore | meglio"
        " | migliora* | mais preciso | mais precisa | melhor | melhore | nauwkeuriger | beter"
        " | dokładniejsz* | lepsz* | lepiej | точнее | лучше | улучш* | поточнее | 更准确 | 更准"
        " | 更好 | 更精确 | より正確 | 正確に | 精度を上げ* | もっと正確 | 더 정확"
    ),
    "simpler": (
        "simpler | easier to explain | explainable | interpretable | more interpretable"
        " | simple model | less complex | easier to understand | more transparent"
        " | less complicated | transparent | more explainable | easier to interpret"
        " | too complicated | too complex | simple | einfacher | einfacheres | einfaches modell"
        " | erklärbar* | interpretierbar* | verständlicher | zu kompliziert | plus simple"
        " | explicable | interprétable | plus explicable | más simple | más sencillo"
        " | más sencilla | più semplice | interpretabile | spiegabile | mais simples"
        " | interpretável | explicável | eenvoudiger | simpeler | uitlegbaar | prostsz* | prościej"
        " | проще | попроще | интерпретируем* | объясним* | 更简单 | 简单一点 | 可解释 | シンプル"
        " | 簡単に | より単純 | 解釈しやす* | 더 간단"
    ),
}
