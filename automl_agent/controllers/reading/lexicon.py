"""The words that the reader knows, by kind and meaning.

English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Russian, Chinese, Japanese,
and the verb in a few more. Phrases are parted by "|"; a * stands for any ending; case and accents
do not matter.
"""

from collections.abc import Mapping

from automl_agent.controllers.reading import field_words, limit_words, model_words, sentence_words

# kind → value → phrases.
PHRASES: dict[str, Mapping[str, str]] = {
    **sentence_words.SENTENCE_WORDS,
    "field": field_words.FIELDS,
    "metric": model_words.METRICS,
    "family": model_words.FAMILIES,
    "unit": limit_words.UNITS,
    "ratio": limit_words.RATIOS,
    "limit": limit_words.LIMITS,
    "per_row": limit_words.PER_ROW,
    "fit_time": limit_words.FIT_TIME,
    "size": limit_words.SIZE,
    "speed": limit_words.SPEED,
    "loss": limit_words.LOSSES,
    "wish": limit_words.WISHES,
}
