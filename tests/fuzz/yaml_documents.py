"""Settings that a JSON schema allows, mostly, as trees, and trees as YAML in every style that YAML has."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from fuzz.bytes_mutations import integer, one_in

FITTING: Final = {
    r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$": ("en", "de-DE"),
    r"^[0-9A-D*#]?$": ("#", ""),
    r"^[0-9A-D*#]$": ("#", "7"),
    r"^[A-Za-z0-9_-]{1,64}$": ("look_up", "a"),
    r"^(cpu|auto|remote|cuda:\d+)$": (
        "cpu",
        "auto",
        "cuda:0",
        "cuda:7",
        "remote",
        "cuda:" + "1" * 5_000,
        "cuda:٣",
    ),
}
"""Texts for the patterns of the settings; a pattern that is not here gets any word."""

NAMED: Final = {
    "url": ("http://127.0.0.1:8080/", "https://example.com/${FUZZ_NOTHING:-x}"),
    "headers": ("x", "Bearer ${FUZZ_WORD}"),
    "name": ("look_up", "a", "b"),
    "turn_text": ("I pressed {keys}.",),
    "play": ("a.wav", "./a.wav", "x" * 300, "a.wav/x", ".", "a\0.wav"),
    "vad": ("silero",),
    "stt": ("faster-whisper",),
    "end_of_turn": ("smart-turn",),
    "llm": ("llama-cpp", "ollama", "openai-compatible"),
    "tts": ("piper",),
}
"""Texts for certain keys, or for the engine of a stage."""
ALTERNATIVES: Final = ("play", "key", "press", "release")
"""Keys of which there may be one."""
WORDS: Final = (
    "x", "Hello", "{keys}", "http://127.0.0.1:8080/", "https://[::1]:1/", "silero", "llama-cpp", "127.0.0.1:0",
    "a.wav", "Grüß Gott", "${FUZZ_WORD}", "${FUZZ_NOTHING:-x}", "two words",
)  # fmt: skip
ODD: Final = (
    "", " ", "~", "null", "yes", "0o17", "0x" + "f" * 5_000, "9" * 5_000, "1:60:60", "1" + ":1" * 300 + ".5", "1e999",
    ".nan", "-.inf", "2001-02-30", "2001-01-01 00:00:00 +99:00", "=", "<<", "!!int ''", "!!float ''", "!!bool x",
    "!!timestamp x", "!!binary ä", "!!binary aGk=", "!!set {a}", "!!omap [a: 1, a: 2]", "!!pairs [a: 1]", "!!omap {}",
    "!!null x", "!!str [a]", "!!map []", "!!seq {}", "!!python/object/apply:os.getcwd []",
    "!<tag:yaml.org,2002:int> ''", "!x y", "! y", "*nobody", "&a *a", "[", "]", "{", "}", "[,]", "{:}", "'", '"', "|",
    ">-\n x", "? x", "- x", "@", "`", "%TAG", "${", "${FUZZ_NOTHING}", "${FUZZ_EMPTY}", "${FUZZ_WORD:-}",
    "${a:-${b}}", '"\\ud800"', '"\\0"', '"\\x1b[2J"', '"\\N\\L"', '"\\U00110000"', '"a\\\n b"', "!!int {=: 1}",
    "{<<: {a: 1}}", "{<<: [{a: 1}, x]}", "{<<: x}", "http://u:p@h/", "http://[/", "http://h:99999/",
    "http://h/\u2028", "\ufeff", "\x85", "\t", "\x7f", "\U0001f600", "0b", "0b2", "0_", "._", "-", "+", "+.", "1__0",
    "0:0:0", "-1:30", "!!float x", "!!int x", "!!int 1:x",
)  # fmt: skip
PATTERNS: Final = (
    "a{99999999999999}", "(", "[", "(?P<a>)", "(?i)", "\\", "(a+)+$", "^[0-9]{6}$", "(" * 200, "\\u", "[[:alpha:]]",
)  # fmt: skip
UNLIKE_JSON: Final = ('"\\ud800"', "2001-01-01", ".nan", "!!binary aGk=", "!!set {a}", "{1.5: a}", "{2001-01-01: a}")
"""What YAML holds and JSON cannot."""
SCHEMA_WORDS: Final = (
    "type", "properties", "required", "items", "enum", "const", "not", "anyOf", "allOf", "oneOf", "$ref", "$defs",
    "$id", "$schema", "pattern", "patternProperties", "additionalProperties", "minimum", "multipleOf", "maxLength",
    "format", "if", "dependentRequired", "prefixItems", "propertyNames", "contains", "$anchor", "$dynamicRef",
    "$vocabulary", "default", "x",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Raw:
    """A piece of YAML that is written as it is."""

    text: str


def document(rng: Random, schema: dict[str, Any], keys_max: int = 3) -> dict[Any, Any]:
    """A tree for a schema of settings: what is required and a few other keys, with a rare mistake."""
    return _object(rng, schema, schema, keys_max)


def _is_rich(schema: dict[str, Any]) -> bool:
    """Whether much can be written here: it should be written often."""
    return schema.get("additionalProperties") is True or "tool" in schema.get("items", {}).get("$ref", "").lower()


def _object(rng: Random, schema: dict[str, Any], root: dict[str, Any], keys_max: int, name: str = "") -> dict[Any, Any]:
    properties: dict[str, Any] = schema.get("properties", {})
    required = [each for each in schema.get("required", ()) if not one_in(rng, 60)]
    others = rng.sample(sorted(properties), min(len(properties), rng.randint(0, keys_max)))
    often = 0.25 if schema is root else 0.7
    rich = [each for each in properties if _is_rich(properties[each]) and rng.random() < often]
    names = dict.fromkeys([*required, *others, *rich])
    if "press" in properties and rng.random() < 0.9:
        names = dict.fromkeys([rng.choice(ALTERNATIVES), *(name for name in names if name not in ALTERNATIVES)])
    tree: dict[Any, Any] = {each: value(rng, properties[each], root, each) for each in names}
    if isinstance(tree.get("engine"), str) and name in NAMED and rng.random() < 0.9:
        tree["engine"] = rng.choice(NAMED[name])
    if one_in(rng, 25) or (not properties and one_in(rng, 2)):
        tree[_key(rng)] = odd(rng)
    return tree


def value(rng: Random, schema: dict[str, Any], root: dict[str, Any], name: str = "") -> Any:
    """A value that fits, mostly, for the key `name`."""
    if one_in(rng, 25):
        return odd(rng)
    if "$ref" in schema:
        return value(rng, root["$defs"][schema["$ref"].rpartition("/")[2]], root, name)
    if "allOf" in schema or "anyOf" in schema:
        return value(rng, rng.choice(schema.get("allOf") or schema["anyOf"]), root, name)
    if "enum" in schema or "const" in schema:
        return rng.choice(schema.get("enum") or [schema["const"]])
    match schema.get("type"):
        case "integer" | "number":
            return _number(rng, schema)
        case "boolean":
            return one_in(rng, 2)
        case "array":
            count = rng.choice((schema.get("minItems", 0), 1, 2))
            return [value(rng, schema.get("items", {}), root) for _ in range(count if rng.random() < 0.95 else 20)]
        case "object" if schema.get("additionalProperties") is True:
            return _json_schema(rng, 2)
        case "object":
            return _object(rng, schema, root, 2, name)
        case "null":
            return None
    return rng.choice(FITTING.get(schema.get("pattern", ""), NAMED.get(name, WORDS)))


def _number(rng: Random, schema: dict[str, Any]) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", 1_000))
    step = 1 if schema["type"] == "integer" else 0.25
    edge: int | float = rng.choice((low, high, low + step, high - step, (low + high) / 2))
    if one_in(rng, 12):
        edge = rng.choice((low - step, high + step, integer(rng, 64), -1))
    return int(edge) if schema["type"] == "integer" else float(edge)


def _json_schema(rng: Random, depth: int) -> dict[Any, Any]:
    """Something like a JSON schema."""
    tree: dict[Any, Any] = {"type": "object"} if rng.random() < 0.9 else {}
    if one_in(rng, 6):
        tree["pattern"] = rng.choice(PATTERNS)
    if one_in(rng, 8):
        tree[rng.choice(("default", "const", "$comment", "title"))] = Raw(rng.choice(UNLIKE_JSON))
    for _ in range(rng.choice((0, 1, 1, 2))):
        pick = rng.randrange(5)
        inner: Any = (
            odd(rng) if pick == 0 else rng.choice(PATTERNS) if pick == 1 else rng.choice(("string", 5, [], {}, True))
        )
        if pick == 2 and depth:
            inner = {_key(rng): _json_schema(rng, depth - 1)}
        elif pick == 3 and depth:
            inner = _json_schema(rng, depth - 1)
        tree[rng.choice(SCHEMA_WORDS) if rng.random() < 0.9 else _key(rng)] = inner
    return tree


def _key(rng: Random) -> Any:
    if one_in(rng, 3):
        key = odd(rng)
        return Raw(json.dumps(key)) if isinstance(key, (list, dict)) else key
    return rng.choice(("x", "greating", "type", "$ref", 1, 1.5, True, None, "a", "properties", "Authorization", "X-A"))


def odd(rng: Random) -> Any:
    """A value that hardly fits anywhere."""
    if one_in(rng, 4):
        return rng.choice(([], {}, None, True, 1.5, -1, 2**70, [[]], {"a": []}, "x" * 600, "x" * 9_000))
    return Raw(rng.choice(ODD))


# --- text


def text_of(rng: Random, tree: Any) -> str:
    """The tree in flow or block style."""
    if isinstance(tree, dict) and tree and rng.random() < 0.6:
        lines = []
        for key, inner in tree.items():
            label, plain = _flow(rng, key), isinstance(key, str)
            lines.append(f"{label}: {_indented(rng, inner)}" if plain else f"? {label}\n: {_indented(rng, inner)}")
        return "\n".join(lines) + "\n"
    return _flow(rng, tree)


def _indented(rng: Random, inner: Any) -> str:
    if isinstance(inner, dict) and inner and one_in(rng, 2):
        return "\n" + "".join(f"  {line}\n" for line in text_of(rng, inner).splitlines())
    if isinstance(inner, list) and inner and one_in(rng, 2):
        return "\n" + "".join(f"- {_flow(rng, item)}\n" for item in inner)
    if isinstance(inner, str) and inner.isalnum() and one_in(rng, 10):
        return rng.choice(("|", ">", "|-", ">2", "|+")) + f"\n  {inner}\n"
    return _flow(rng, inner)


def _flow(rng: Random, tree: Any) -> str:
    if isinstance(tree, Raw):
        return tree.text
    if isinstance(tree, dict):
        pairs = (f"{_flow(rng, key)}: {_flow(rng, inner)}" for key, inner in tree.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(_flow(rng, item) for item in tree) + "]"
    if isinstance(tree, str) and tree.isalnum() and rng.random() < 0.7:
        return tree
    if isinstance(tree, str) and "'" not in tree and one_in(rng, 3):
        return f"'{tree}'"
    return json.dumps(tree, ensure_ascii=one_in(rng, 2))
