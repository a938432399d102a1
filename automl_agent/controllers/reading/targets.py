"""Which columns of one table a part of a text wants predicted."""

from collections.abc import Sequence

from automl_agent.controllers.reading.columns import (
    LITERAL,
    MEANT,
    SPELLED,
    STEMMED,
    Mention,
)
from automl_agent.controllers.reading.field_words import TARGET_FIELDS, TARGET_NAMES
from automl_agent.controllers.reading.passage import Missing, Passage, Target
from automl_agent.controllers.reading.words import Hit, Text, is_name_part

# Such words in a bare "adult.csv income" besides the names: more, and it is about something else.
_MAX_UNKNOWN_WORDS = 4
_MAX_GUESSED_WORDS = 6
_MAX_OBJECT_WORDS = 4
_ADJACENT = 4.0
_BY = (
    "by",
    "into",
    "nach",
    "par",
    "por",
    "per",
    "op",
    "wedlug",
    "selon",
    "segun",
    "in",
    "en",
    "по",
)
# Nobody asks for more at once; it bounds the time that reading takes.
_MAX_VERBS = 40


Found = list[Target | Missing]


def find_targets(passage: Passage) -> Found:
    """The targets that the passage names, in order; what is missing only if nothing is there."""
    assigned = [
        t for hit in passage.hits("assign")[:_MAX_VERBS] for t in _find_assigned(passage, hit)
    ]
    if assigned:
        return list(assigned)
    by_place = _find_by_position(passage)
    if by_place:
        return list(by_place)
    found: Found = []
    for cue in passage.hits("cue")[:_MAX_VERBS]:
        found += _find_object(passage, cue)
    targets = [t for t in found if isinstance(t, Target)]
    if targets:
        return [*_drop_repeated(targets)]
    if found:
        return found[:1]
    return [*_find_bare(passage)]


def _find_assigned(passage: Passage, hit: Hit) -> list[Target]:
    end = passage.sentence_end(hit.last)
    after = _adjacent(passage, hit.last, passage.within(hit.last, end))
    if after:
        return [_make_target(m, 2 * _ADJACENT) for m in after]
    if _is_named_target(passage, hit):
        return []
    before = passage.within(passage.sentence_start(hit.first), hit.first)
    if before and _only_fillers(passage, before[-1].last, hit.first):
        return [_make_target(before[-1], 2 * _ADJACENT)]
    return []


def _is_named_target(passage: Passage, hit: Hit) -> bool:
    """Whether the word "target" is itself the name of a column."""
    return any(m.first < hit.last and m.last > hit.first for m in passage.mentions)


def _find_by_position(passage: Passage) -> list[Target]:
    columns = passage.columns.table.columns
    ignored = [hit.last for hit in passage.hits("ignore")]
    for hit in passage.hits("position"):
        is_ignored = any(0 <= hit.first - last <= 1 for last in ignored)
        if columns and not is_ignored:
            column = columns[-1 if hit.value == "last" else 0]
            return [Target((column,), LITERAL, 2 * _ADJACENT, hit.first, hit.last)]
    return []


def _find_object(passage: Passage, cue: Hit) -> Found:
    """What a verb such as "predict" is about."""
    if cue.value == "before":
        found = _find_before(passage, cue) or _find_after(passage, cue)
        return found or _miss_before(passage, cue)
    found = _find_after(passage, cue)
    if found:
        return found
    missed = _miss_after(passage, cue)
    return missed or _find_before(passage, cue)


def _find_after(passage: Passage, cue: Hit) -> Found:
    """The object of a verb that it follows."""
    start, end = cue.last, _object_end(passage, cue)
    froms = [h.first for h in passage.hits("from") if start <= h.first < end]
    stop = next((f for f in froms if not _only_fillers(passage, start, f)), end)
    if froms and froms[0] < stop:
        # "predict from age and bmi how far it progresses": what comes last.
        after = _usable(passage, passage.within(start, end), cue)
        return [_make_target(after[-1], 0.0)] if after else []
    mentions = _usable(passage, passage.within(start, stop), cue)
    near = _adjacent(passage, start, mentions)
    best = max(mentions, key=lambda m: _rate(passage, m), default=None)
    # "how much a house costs": a part of a name that comes first may be only a word.
    is_sure = near and (near[0].quality >= STEMMED or near[0] is best)
    if is_sure:
        return [_make_target(m, _ADJACENT) for m in near]
    sorted_by = _find_sorting(passage, cue)
    if sorted_by and (best is None or best.quality <= MEANT):
        return [_make_target(sorted_by, _ADJACENT)]
    if best and not _is_by_chance(passage, best, start):
        return [_make_target(best, _rate(passage, best) - best.quality)]
    guessed = _guess(passage, start, stop)
    if guessed:
        return [_make_target(guessed, 0.0)]
    late = [m for m in _usable(passage, passage.within(stop, end), cue) if m.quality >= MEANT]
    known = [m for m in late if not _follows_from(passage, m)]
    if known and not _unknown_words(passage, start, stop):
        return [_make_target(max(known, key=lambda m: _rate(passage, m)), 0.0)]
    return []


def _is_by_chance(passage: Passage, mention: Mention, start: int) -> bool:
    """Whether a column only shares a word with what the verb is about, which is something else."""
    if mention.quality > MEANT:
        return False
    is_field = bool(passage.columns.fields_of(mention.columns) & TARGET_FIELDS)
    return not is_field and bool(_unknown_words(passage, start, mention.first))


def _find_sorting(passage: Passage, cue: Hit) -> Mention | None:
    """The column by which rows are to be told apart: "classify the wines by cultivar"."""
    if not any(part in passage.text.tokens[cue.first].word for part in ("class", "klass", "clas")):
        return None
    end = passage.sentence_end(cue.last)
    for hit in passage.hits("from"):
        after = passage.within(hit.last, end)[:1] if hit.first >= cue.last else []
        is_by = passage.text.tokens[hit.first].word in _BY
        if is_by and after and _only_fillers(passage, hit.last, after[0].first):
            return after[0]
    return None


def _find_before(passage: Passage, cue: Hit) -> Found:
    start = passage.sentence_start(cue.first)
    earlier = [h.last for h in passage.hits("cue") if start <= h.last <= cue.first]
    start = max([start, *earlier])
    mentions = _usable(passage, passage.within(start, cue.first), cue)
    if not mentions:
        return []
    free = [m for m in mentions if not _follows_from(passage, m)] or mentions[-1:]
    best = max(free, key=lambda m: (_rate(passage, m) + (m is mentions[-1]), m.first))
    return [_make_target(best, _rate(passage, best) - best.quality)]


def _miss_after(passage: Passage, cue: Hit) -> Found:
    end = _object_end(passage, cue)
    stops = [h.first for h in passage.hits("from") if cue.last < h.first < end]
    return _miss(passage, cue.last, min([*stops, end]))


def _miss_before(passage: Passage, cue: Hit) -> Found:
    start = passage.sentence_start(cue.first)
    guessed = _guess(passage, start, cue.first)
    return [_make_target(guessed, 0.0)] if guessed else _miss(passage, start, cue.first)


def _miss(passage: Passage, first: int, last: int) -> Found:
    unknown = _unknown_words(passage, first, last)
    if not unknown:
        return []
    stop = min(last, unknown[0] + _MAX_OBJECT_WORDS)
    return [Missing(passage.text.slice(unknown[0], max(i for i in unknown if i < stop) + 1))]


def _object_end(passage: Passage, cue: Hit) -> int:
    """Where the words about a verb's object end at the latest."""
    end = passage.sentence_end(cue.last)
    stops = (h.first for h in passage.hits("ignore", "cue") if cue.last <= h.first < end)
    # "classify … whether to predict": a verb right after another one is the same request.
    return next((s for s in stops if not _only_fillers(passage, cue.last, s)), end)


def _find_bare(passage: Passage) -> list[Target]:
    """The target of "adult.csv income, AUC" or "which customers churn?", which have no verb."""
    if passage.text.has("unsupported") or passage.hits("modality"):
        return []
    mentions = [m for m in _usable(passage, passage.mentions, None) if not _is_listed(passage, m)]
    unknown = _unknown_words(passage, passage.first, passage.last)
    if not mentions or len(unknown) > _allow_unknown(passage, unknown):
        return []
    best = max(mentions, key=lambda m: (_rate(passage, m), -m.first))
    return [_make_target(best, 0.0)]


def count_unknown(passage: Passage, target: Target) -> int:
    """How many unknown words the sentence with a target has."""
    start, end = passage.sentence_start(target.first), passage.sentence_end(target.first)
    return len(_unknown_words(passage, start, end))


def _allow_unknown(passage: Passage, unknown: Sequence[int]) -> int:
    """How many words may be unknown; few where nothing else says that it is about training."""
    is_named = any(passage.first <= i < passage.last for i in passage.names)
    if passage.hits("train", "family", "metric", "task"):
        return _MAX_UNKNOWN_WORDS + 2 * is_named
    # A sentence that begins with an unknown verb asks for something else.
    starts_unknown = bool(unknown) and unknown[0] == passage.first
    return 0 if starts_unknown else _MAX_UNKNOWN_WORDS // 2 + 2 * is_named


def _is_listed(passage: Passage, mention: Mention) -> bool:
    """Whether the column is one to ignore or to split by."""
    hits = passage.hits("ignore", "group_split", "time_split")
    return any(hit.last <= mention.first <= hit.last + 3 for hit in hits)


def _guess(passage: Passage, first: int, last: int) -> Mention | None:
    for index in _unknown_words(passage, first, last)[:_MAX_GUESSED_WORDS]:
        mention = passage.columns.guess(passage.text, index)
        if mention:
            return mention
    return None


def _unknown_words(passage: Passage, first: int, last: int) -> list[int]:
    """The tokens that mean something that the reader does not know."""
    kinds = ("filler", "from", "and", "cue", "number", "limit", "unit", "metric", "family", "task")
    known = passage.names | passage.covered(
        *kinds, "wish", "per_row", "assign", "position", "each", "train"
    )
    known |= {i for m in passage.mentions for i in range(m.first, m.last)}
    tokens = passage.text.tokens
    return [i for i in range(first, last) if i not in known and tokens[i].word[:1].isalpha()]


def _adjacent(passage: Passage, start: int, mentions: Sequence[Mention]) -> list[Mention]:
    """The mentions right after a token, and those that "and" joins to them."""
    near: list[Mention] = []
    place = start
    for mention in mentions:
        is_near = mention.quality >= STEMMED or not near
        if not is_near or not _only_fillers(passage, place, mention.first, may_list=bool(near)):
            break
        near.append(mention)
        place = mention.last
    return near


def _only_fillers(passage: Passage, first: int, last: int, *, may_list: bool = False) -> bool:
    kinds = ("filler", "and") if may_list else ("filler",)
    fillers = passage.covered(*kinds)
    tokens = passage.text.tokens
    return all(
        i in fillers or (may_list and tokens[i].word in ",、") or tokens[i].word in "\"'`:(=*-"
        for i in range(first, last)
    )


def _follows_from(passage: Passage, mention: Mention) -> bool:
    """Whether it is something to predict from, as "age" in "from age"."""
    hits = [h for h in passage.hits("from") if h.last <= mention.first]
    return bool(hits) and _only_fillers(passage, hits[-1].last, mention.first)


def _usable(passage: Passage, mentions: Sequence[Mention], cue: Hit | None) -> list[Mention]:
    return [m for m in mentions if not _is_plain_word(passage, m, cue)]


def _is_plain_word(passage: Passage, mention: Mention, cue: Hit | None) -> bool:
    """Whether a column's name is here only a word of the sentence, such as "a" or "in"."""
    words = passage.covered("filler", "from", "and", "cue", "number")
    is_word = all(i in words for i in range(mention.first, mention.last))
    is_short = mention.last - mention.first == 1 and (
        len(passage.text.tokens[mention.first].word) == 1
    )
    if not is_word and not is_short:
        return False
    if is_quoted(passage.text, mention):
        return False
    is_object = cue is not None and _only_fillers(passage, cue.last, mention.first)
    return not (is_object and _ends_object(passage, mention.last))


def is_quoted(text: Text, mention: Mention) -> bool:
    """Whether the words of a mention stand in quotes."""
    tokens = text.tokens
    before = tokens[mention.first - 1].word if mention.first else ""
    after = tokens[mention.last].word if mention.last < len(tokens) else ""
    return bool(before and after) and before in "\"'`“„«「" and after in "\"'`”“»」"


def _ends_object(passage: Passage, index: int) -> bool:
    if index >= passage.last or index in passage.names:
        return True
    word = passage.text.tokens[index].word
    is_stop = any(h.first == index for h in passage.hits("from", "and", "ignore"))
    return is_stop or (not is_name_part(passage.text.tokens[index]) and word not in "\"'`(")


def _rate(passage: Passage, mention: Mention) -> float:
    """How likely a column is the target, by how it is named and what it is about."""
    is_named = any(c.casefold() in TARGET_NAMES for c in mention.columns)
    meanings = passage.columns.fields_of(mention.columns)
    is_target_field = bool(meanings & TARGET_FIELDS)
    is_last = mention.columns == passage.columns.table.columns[-1:]
    literal = 0.5 * (mention.quality in (LITERAL, SPELLED))
    return mention.quality + literal + 1.0 * is_named + 2.0 * is_target_field + 0.5 * is_last


def _make_target(mention: Mention, bonus: float) -> Target:
    return Target(
        mention.columns, mention.quality, mention.quality + bonus, mention.first, mention.last
    )


def _drop_repeated(targets: Sequence[Target]) -> list[Target]:
    best: dict[tuple[str, ...], Target] = {}
    for target in targets:
        known = best.get(target.columns)
        if known is None or known.score < target.score:
            best[target.columns] = target
    return sorted(best.values(), key=lambda t: t.first)
