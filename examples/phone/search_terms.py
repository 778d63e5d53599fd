"""What somebody typed, taken apart as the server does it; see app/textindex/tokens.py, whose copy this is."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

MAX_QUERY = 200
MAX_TERMS = 16
LONGEST_SPAN = 4
"""So many words of a query are looked up as one word of a group of synonyms."""
SAME, SIMILAR = 95, 75
"""What a word of a group is worth beside the word that was typed, in percent."""
CORRECTED = 90
"""The same, of the word that was probably meant."""

# The first character of a token is its class.
PAIR, WORD, INITIALS, CODE = "2", "=", "^", "#"

_LETTERS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
# NFKC turns the consonants that people type alone into parts of syllables; this turns them back.
_ALONE = {
    **{0x1100 + i: letter for i, letter in enumerate(_LETTERS)},
    **{0x1161 + i: letter for i, letter in enumerate(_VOWELS)},
    **{0x11A8 + i: letter for i, letter in enumerate(_FINALS[1:])},
}
_SINGLE = {"ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ", "ㄽ": "ㄹㅅ",
           "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ"}  # fmt: skip

# Runs of one kind: Korean syllables, consonants alone, Latin letters and digits, any other letters.
_RUN = re.compile(r"[가-힣]+|[ㄱ-ㅎ]+|[0-9a-z\u00df-\u024f]+|[^\W_가-힣ㄱ-ㅣ0-9a-z\u00df-\u024f]+")
_LATIN = re.compile(r"[0-9a-z\u00df-\u024f]")

# Particles by what they follow: a final consonant, none, either. 도 and 만 end too many nouns (점도, 불만).
_AFTER_FINAL = ("으로는", "으로도", "으로", "이라는", "이란", "이나", "은", "을", "과", "이")
_AFTER_VOWEL = ("라는", "란", "는", "를", "와", "가", "로")
_AFTER_ANY = (
    "에서는",
    "에서도",
    "에서",
    "에게서",
    "에게",
    "에는",
    "에도",
    "까지",
    "부터",
    "처럼",
    "보다",
    "마다",
    "의",
    "에",
)
_ENDINGS = tuple(
    _word
    for _line in (
        "하려면 하는지 하는데 하나요 할까요 합니다 합니까 해야 하면 하는 하고 하기 할때 했을때",
        "했는데 했을 해요 할 한",
        "되나요 되는지 됩니다 되면 되는 된 돼요 인가요 인지 입니까 이에요 예요 나요",
        "는데요 는데 지만 니까 려고 려면 면서 거나 네요 습니다 습니까",
    )
    for _word in _line.split()
)
_SUFFIXES = sorted({*_AFTER_FINAL, *_AFTER_VOWEL, *_AFTER_ANY, *_ENDINGS}, key=lambda s: (-len(s), s))
_BY_LAST = {
    last: [suffix for suffix in _SUFFIXES if suffix[-1] == last] for last in {s[-1] for s in _SUFFIXES}
}

# Words of a question that say nothing of its subject; left out unless nothing else is there.
_SAYS_NOTHING = frozenset(
    _word
    for _line in (
        "어떻게 어떤 어떤게 어느 무엇 무엇을 무엇이 무엇인가요 뭐 뭔가요 뭐가 뭘 언제 어디 어디서 어디에",
        "왜 얼마 얼마나 몇 좀 때 것 거 게 수 더 있나요 있는 있어요 있을 있습니까 없나요 하나요 하는",
        "하는지 하면 하려면 해야 할 할까요 해요 되나요 되는 되면 돼요 되는지 됩니까 인가요 인지 나요",
        "일까요 건가요 그런가요 좋나요 좋을까요 좋은가요 알려줘 알려주세요 궁금해요 궁금합니다 대한 대해",
        "관한 위한 위해 및 그리고 또는 써야 쓰나요 쓰면 나는 나는데 나면 오는 맞나요 다른가요 뭐예요",
        "이유 때문 때문에 계속 자꾸 금방 괜찮은가요 괜찮나요 않아요 않는 않나요 안 못 됐어요 되었어요",
        "있는데 없는데 없어요 심해요 나와요 나을까 중 중에 먼저 다시 너무 많이 자주 정말 혹시 아직 그냥",
        "이 그 저 이런 그런 저런 같은 같아요 인데 어떡하죠 어쩌죠 뭘까요 싶어요 싶은데 주세요 알고 해도",
        "하나 골라야 고르나요 써도 먹어도 가능한가요 가능해요 가능",
        "같은데 같아서 같습니다 됐는데 될까요 될지 되는데 될 해서 했는데 하니까 할지 있을까요 있으면 없을까요",
        "없으면 무슨 누가 누구 제가 저희 지금 오늘 요즘 갑자기 항상 매번 가끔 조금 잘 꼭 인가 일까",
        "언제까지 어디까지 며칠 며칠까지 번까지 얼마까지 나을까요 좋을지 하죠 되죠 싶어 싶습니다 부탁해요 돼서",
        "the a an of for to in on at is are be",
        "do does did how what which when why who where i my me we our can could should would with and or",
        "it its this that there from by am was were has have had will you your if about please tell",
    )
    for _word in _line.split()
)


@dataclass(frozen=True, slots=True)
class Way:
    """Tokens that together are one way of having a term.

    Attributes:
        needs: What it takes.
        bonus: What makes it better: the word on its own, not as a part of another.
        percent: What this way is worth beside the best.
    """

    needs: tuple[str, ...]
    bonus: tuple[str, ...] = ()
    percent: int = 100


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that was asked for: as it was typed, and the ways of having it."""

    text: str
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked, taken apart; without terms it finds nothing."""

    text: str
    terms: tuple[Term, ...] = ()

    @property
    def tokens(self) -> tuple[str, ...]:
        """All tokens, each once, in order."""
        return tuple(
            dict.fromkeys(
                token for term in self.terms for way in term.ways for token in (*way.needs, *way.bonus)
            )
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Words that stand for each other, and what each is worth beside the one that was typed, in percent."""

    words: tuple[str, ...]
    percent: int


@dataclass(frozen=True, slots=True)
class Thesaurus:
    """Groups of synonyms by each of their words, written as one word; made once, asked by every query."""

    groups: Mapping[str, tuple[Group, ...]]


NO_SYNONYMS = Thesaurus({})


def normalise(value: str) -> str:
    """The one form in which texts are compared: compatible characters alike, no case, syllables composed."""
    folded = unicodedata.normalize("NFKC", value).casefold()
    return unicodedata.normalize("NFC", folded).translate(_ALONE)


def analyse(query: str) -> Query:
    """Take apart what somebody typed; of more than ``MAX_QUERY`` characters the first count."""
    text = normalise(query[:MAX_QUERY])[:MAX_QUERY]
    runs = _runs(text)
    number = _national(text, "".join(run.value for run in runs))
    if len(number) >= 7 and number.isdecimal():
        return Query(text, (Term(number, (Way((CODE + number,)), Way((WORD + number,)))),))
    terms = [_term(run, runs, i) for i, run in enumerate(runs)]
    telling = [term for term in terms if term.ways and term.text not in _SAYS_NOTHING]
    chosen = telling or [term for term in terms if term.ways]
    once = {term.text: term for term in chosen}
    return Query(text, tuple(once.values())[:MAX_TERMS])


def thesaurus(same: Iterable[Sequence[str]], similar: Iterable[Sequence[str]] = ()) -> Thesaurus:
    """Groups of words that mean the same, and groups of words that are about the same."""
    found: dict[str, list[Group]] = {}
    for percent, groups in ((SAME, same), (SIMILAR, similar)):
        for words in groups:
            group = Group(tuple(words), percent)
            for key in dict.fromkeys(map(_key_of, words)):
                found.setdefault(key, []).append(group)
    return Thesaurus({key: tuple(groups) for key, groups in found.items() if key})


def widen(query: Query, known: Thesaurus) -> Query:
    """The query with the other words of the groups of which it has one, whatever the spaces in it.

    What was said in several words is one term where a group has it as a whole: from the left, the longest first.
    """
    terms: list[Term] = []
    start = 0
    while start < len(query.terms):
        longest = min(LONGEST_SPAN, len(query.terms) - start)
        spans = [query.terms[start : start + length] for length in range(longest, 0, -1)]
        span = next((span for span in spans if _text_of(span) in known.groups), spans[-1])
        terms.append(_with_synonyms(span, known.groups.get(_text_of(span), ())))
        start += len(span)
    return replace(query, terms=tuple(terms))


def corrected(query: Query, better: dict[str, str]) -> Query:
    """The query with what its words probably were meant to be, by the word typed."""
    terms = tuple(
        replace(
            term,
            ways=(*term.ways, *(replace(way, percent=CORRECTED) for way in analyse_word(better[term.text]))),
        )
        if term.text in better
        else term
        for term in query.terms
    )
    return replace(query, terms=terms)


def analyse_word(word: str) -> tuple[Way, ...]:
    """The ways of having one word."""
    return tuple(way for term in analyse(word).terms for way in term.ways)


def stem(word: str) -> str:
    """A Korean word without its particle or ending (윤활유는 → 윤활유), an English one without its plural."""
    if _LATIN.match(word):
        if len(word) > 4 and word.endswith("ies"):
            return word[:-3] + "y"
        return (
            word[:-1]
            if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
            else word
        )
    for suffix in _BY_LAST.get(word[-1], ()):
        rest = word[: -len(suffix)]
        if len(rest) >= 2 and word.endswith(suffix) and _may_follow(rest[-1], suffix):
            return rest
    return word


def beginning_with(letter: str) -> str:
    """A pattern for one syllable that begins with a consonant: ㅇ → [아-잏]."""
    if letter not in _LETTERS:
        return re.escape(letter)
    first = ord("가") + 588 * _LETTERS.index(letter)
    return f"[{chr(first)}-{chr(first + 587)}]"


def strokes(word: str) -> str:
    """The keys that are pressed for a word: 윤활유 → ㅇㅠㄴㅎㅗㅏㄹㅇㅠ."""
    pressed = []
    for c in word:
        if "가" <= c <= "힣":
            first, rest = divmod(ord(c) - 0xAC00, 588)
            vowel, final = divmod(rest, 28)
            pressed += [_LETTERS[first], _COMPOUND.get(_VOWELS[vowel], _VOWELS[vowel])]
            pressed.append(_SINGLE.get(_FINALS[final], _FINALS[final]).strip())
        else:
            pressed.append(c)
    return "".join(pressed)


_COMPOUND = {"ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ"}


@dataclass(frozen=True, slots=True)
class _Run:
    value: str
    start: int
    end: int


def _runs(text: str) -> list[_Run]:
    return [_Run(found[0], *found.span()) for found in _RUN.finditer(text)]


def _pairs(word: str) -> list[str]:
    return [PAIR + word[i : i + 2] for i in range(len(word) - 1)]


def _joined(runs: Sequence[_Run], i: int) -> list[str]:
    """``5W-30``, ``5w 30`` and ``ISO VG 46`` as one word: with the one or two that follow, if a digit is in it."""
    found, value = [], runs[i].value
    for last, run in zip(runs[i:], runs[i + 1 : i + 3], strict=False):
        if run.start != last.end + 1 or not _LATIN.match(run.value):
            break
        value += run.value
        if any(c.isdigit() for c in value):
            found.append(value)
    return found


def _term(run: _Run, runs: Sequence[_Run], i: int) -> Term:
    word = run.value
    if "ㄱ" <= word[0] <= "ㅎ":
        return Term(word, _initial_ways(runs, i))
    if _LATIN.match(word):
        return Term(word, _latin_ways(runs, i))
    kept = stem(word)
    if len(kept) == 1:
        return Term(kept, (Way((WORD + kept,)),))
    forms = dict.fromkeys((kept, word))
    return Term(kept, tuple(Way(tuple(_pairs(form)), (WORD + kept,)) for form in forms))


def _initial_ways(runs: Sequence[_Run], i: int) -> tuple[Way, ...]:
    word = runs[i].value
    ways = [Way((INITIALS + word[:8],), (f"{INITIALS}{word}$",))] if len(word) > 1 else []
    # Spaces between consonants may stand where the text has none: ㅇㅈ ㅇㅇ is 엔진오일 too.
    for j in range(i + 1, len(runs)):
        if not "ㄱ" <= runs[j].value[0] <= "ㅎ":
            break
        ways.append(Way((INITIALS + "".join(run.value for run in runs[i : j + 1])[:8],)))
    return tuple(ways)


def _latin_ways(runs: Sequence[_Run], i: int) -> tuple[Way, ...]:
    word = runs[i].value
    joined = [
        (way, k)
        for k in range(max(0, i - 2), i + 1)
        if all(_LATIN.match(run.value) for run in runs[k : i + 1])
        for n, way in enumerate(_joined(runs, k), start=1)
        if k + n >= i
    ]
    ways = [Way((WORD + stem(word),), percent=50 if joined else 100)]
    ways += [Way((WORD + way,)) for way, _ in joined]
    codes = dict.fromkeys([word, *(way for way, _ in joined), *_whole(runs)])
    return (*ways, *(Way((CODE + code,)) for code in codes if len(code) > 2))


def _whole(runs: Sequence[_Run]) -> list[str]:
    """A query of nothing but letters and digits, as the one code it may be (010-1234-5678)."""
    whole = "".join(run.value for run in runs)
    return [whole] if all(_LATIN.match(run.value) for run in runs) and any(c.isdigit() for c in whole) else []


def _national(value: str, code: str) -> str:
    """+82 10 … as it is dialled at home, 010 …"""
    return f"0{code[2:]}" if value.strip().startswith("+82") else code


def _squeezed(value: str) -> str:
    return "".join(run.value for run in _runs(normalise(value)))


@lru_cache(maxsize=50_000)
def _key_of(word: str) -> str:
    """The words of editors come with every query again."""
    return _text_of(analyse(word).terms)


def _text_of(span: Sequence[Term]) -> str:
    return "".join(term.text for term in span)


def _with_synonyms(span: Sequence[Term], groups: Sequence[Group]) -> Term:
    if not groups:
        return span[0]
    own = _text_of(span)
    ways = [*span[0].ways] if len(span) == 1 else [_together(span, 100)]
    ways += [
        _synonym(word, group.percent) for group in groups for word in group.words if _key_of(word) != own
    ]
    return Term(own, tuple(dict.fromkeys(ways)))


@lru_cache(maxsize=10_000)
def _synonym(word: str, percent: int) -> Way:
    return _together(analyse(word).terms, percent)


def _together(terms: Sequence[Term], percent: int) -> Way:
    """Several terms as one way of having what they say together."""
    firsts = [term.ways[0] for term in terms]
    needs = dict.fromkeys(token for way in firsts for token in way.needs)
    return Way(tuple(needs), tuple(token for way in firsts for token in way.bonus), percent)


def _may_follow(last: str, suffix: str) -> bool:
    """Whether a particle agrees with the final consonant before it; endings follow anything."""
    final = (ord(last) - 0xAC00) % 28
    if suffix == "로":
        return final in (0, 8)
    if suffix in _AFTER_FINAL:
        return final != 0
    return suffix not in _AFTER_VOWEL or final == 0
