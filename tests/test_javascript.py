"""microgpt.js is microgpt.py in another language: the same runs, numbers,
errors and files."""
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import zlib

import pytest

import microgpt

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = ROOT / "microgpt.py"
JAVASCRIPT = ROOT / "docs/assets/microgpt.js"
COMMAND = ROOT / "tests/node.js"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(not NODE, reason="there is no node here")


def javascript(code, data=None):
    """What code, the body of a function of m and data, returns in Node."""
    code = (f"const m = require({json.dumps(str(JAVASCRIPT))});"
            "const data = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
            f"console.log(JSON.stringify((() => {{ {code} }})()))")
    done = subprocess.run([NODE, "-e", code], input=json.dumps(data), text=True,
                          capture_output=True, timeout=120, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def both(*args, cwd=None):
    """(status, stdout) of the two programs called alike."""
    told = []
    for program in ([sys.executable, PYTHON], [NODE, COMMAND]):
        done = subprocess.run([*program, *args], capture_output=True, cwd=cwd,
                              timeout=300)
        told.append((done.returncode, done.stdout.decode()))
    return told


def told_by(calls):
    """The message of what each call raises, or None."""
    told = []
    for call in calls:
        try:
            call()
            told.append(None)
        except Exception as error:
            told.append(str(error))
    return told


TELL = "(f) => { try { f(); return null } catch (e) { return e.message } }"

# %% The same runs


TEXTS = {
    "greek": "Ἀθηνᾶ\nἈπόλλων\nἌρης\nἭρα\nΖεύς\nἭφαιστος\nἙρμῆς\nΔημήτηρ\n",
    "hangul and arabic": "서울\n부산\nمحمد\nفاطمة\n대구\nعلي\n인천\n",
    # by code points, a fullwidth letter sorts before an emoji
    "emoji": "😀😁ｆ\n🇫🇮ｚ😀\n👩‍👩‍👧ｆ\nｆｚ😁😁\n",
    "blanks": "\ufeff a b \r\n\x85c\x1cd\x1f\r\r\n\u3000e\ufefff\u3000\nab\nba\n",
    "not printable": "a\x1bb\u202ec\nc\x07a\x7f\nb\u2028\x9bc\n",
}


def test_the_default_run_is_the_same():
    done = subprocess.run([NODE, COMMAND], capture_output=True, timeout=120)
    expected = (ROOT / "docs/data/run.txt").read_text(encoding="utf-8")
    assert (done.stdout.decode(), done.stderr) == (expected, b"")


@pytest.mark.parametrize("args", [
    "--seed 7 --steps 60 --n-embd 8 --n-head 2 --temperature 1.5",
    "--seed 0 --steps 40 --n-layer 2 --block-size 5 --samples 30",
    "--seed 123456789012345678 --steps 30 --n_embd=6 --n_head=3 --prompt a",
    "--seed 1000000000000000000 --steps 50 --holdout 0.01 --samples 1",
    "--steps 0 --temperature 0 --samples 3 --prompt mar",
    "--steps 3 --samples 0",
])
def test_other_seeds_and_sizes_are_the_same(args):
    ours, theirs = both(*args.split())
    assert ours == theirs
    assert ours[0] == 0


@pytest.mark.parametrize("name", TEXTS)
def test_other_texts_are_the_same(name, tmp_path):
    (tmp_path / "text").write_bytes(TEXTS[name].encode())
    ours, theirs = both("text", "--steps", "50", "--n-embd", "8", "--temperature",
                        "0.9", "--seed", str(len(name)), cwd=tmp_path)
    assert ours == theirs
    assert ours[0] == 0


def test_paragraphs_are_the_same(tmp_path):
    (tmp_path / "text").write_text("a b\n  cd\n\n\nef\n \nb\na\n\n", "utf-8")
    ours, theirs = both("text", "--paragraphs", "--steps", "30", "--n-embd", "4",
                        "--samples", "30", cwd=tmp_path)
    assert ours == theirs
    assert ours[0] == 0 and "documents 3 " in ours[1]


# %% The same errors


def test_settings_are_the_same():
    ours = {f.name: {"type": f.type.__name__, "default": f.default,
                     "low": f.metadata["range"][0], "high": f.metadata["range"][1],
                     "help": f.metadata["help"]}
            for f in microgpt.fields(microgpt.Config)}
    theirs = javascript("return m.Config.fields")
    assert [{"help": None, **f} for f in theirs.values()] == list(ours.values())
    assert list(theirs) == list(ours)


def test_a_refused_setting_is_told_alike():
    wrong = [dict(learning_rate=0.0), dict(learning_rate=-1e-7), dict(n_embd=0.5),
             dict(learning_rate=1e10), dict(n_head=3), dict(n_embd="x" * 99),
             dict(n_embd="it's"), dict(seed=-1), dict(temperature="0.5"),
             dict(beta1=1.0000001), dict(paragraphs=2), dict(steps=10**10)]
    theirs = javascript("return data.map((settings) => "
                        f"({TELL})(() => new m.Config(settings)))", wrong)
    assert theirs == told_by([lambda s=s: microgpt.Config(**s) for s in wrong])
    assert None not in theirs


def test_a_text_that_is_none_is_told_alike(tmp_path):
    texts = [b" \n\r\n", "ab".encode("utf-16"), "abc\ufffd\ndé\n".encode() + b"\xe9\n",
             b"ab\xef\xbf", b"a\0b", b"\xff"]
    theirs = javascript(f"return data.map((bytes) => ({TELL})(() =>"
                        " m.load_docs(new Uint8Array(bytes), 'text')))",
                        [list(text) for text in texts])

    def load(text):
        (tmp_path / "text").write_bytes(text)
        return microgpt.load_docs(str(tmp_path / "text"))

    ours = told_by([lambda text=text: load(text) for text in texts])
    assert theirs == [line.replace(f"{tmp_path}/", "") for line in ours]


def test_misuse_of_functions_is_told_alike():
    """Each written once for both, in words that the two languages share."""
    calls = ["linear([[a, b]], [[a]])", "attention(1, [a, b], [[a]], [[a]])",
             "mlp([[a]], [[a, b]], [[a]])", "gpt(run.config, run.params, [3], k, v)",
             "gpt(run.config, run.params, many, k, v)", "cross_entropy([a, b], 2)",
             "tokenizer.encode('abc')", "tokenizer.encode(odd)", "tokenizer.decode([2])",
             "train_step(idle)", "train_step(finished)", "a.log()", "b.log()",
             "big.exp()"]
    in_python = ["a ** -1", "a ** 0.5", "b ** 0.5", "(big * 1e300) ** 2", "b / a",
                 "Run(huge, ['a'])"]
    in_javascript = ["a.pow(-1)", "a.pow(0.5)", "b.pow(0.5)", "big.mul(1e300).pow(2)",
                     "b.div(a)", "new Run(huge, ['a'])"]
    theirs = javascript("""
        const { Value, Config, Run, Tokenizer, linear, attention, mlp, gpt,
                cross_entropy, train_step } = m;
        const [a, b, big] = [0, -8, 1000].map((x) => new Value(x));
        const run = new Run(new Config({ n_embd: 2, n_head: 1 }), ["ab"]);
        const idle = new Run(run.config, []), many = Array(17).fill(0), odd = "\\x1b";
        const finished = new Run(new Config({ steps: 0 }), ["a"]);
        const huge = new Config({ n_embd: 9000, n_head: 1 });
        const tokenizer = new Tokenizer(["ab"]);
        return [%s].map((call) => { const k = [], v = []; return (%s)(() => call(k, v)) });
        """ % (", ".join(f"(k, v) => {call}" for call in calls + in_javascript), TELL))
    names = dict(vars(microgpt))
    Config, Run = microgpt.Config, microgpt.Run
    run = Run(Config(n_embd=2, n_head=1), ["ab"])
    names.update(zip(["a", "b", "big"], map(microgpt.Value, [0, -8, 1000])))
    names.update(run=run, idle=Run(run.config, []), many=[0] * 17, odd="\x1b",
                 finished=Run(Config(steps=0), ["a"]), huge=Config(n_embd=9000, n_head=1),
                 tokenizer=microgpt.Tokenizer(["ab"]), k=microgpt.defaultdict(list),
                 v=microgpt.defaultdict(list))
    ours = told_by([lambda call=call: eval(call, names) for call in calls + in_python])
    # an index out of the list has several names, and newer Pythons say more
    # about log
    plain = [re.sub(r"^(tuple|list) index|^expected a positive input.*",
                    lambda m: "list index" if m[1] else "math domain error", line)
             for line in ours]
    assert theirs == plain


def test_divergence_is_told_alike_and_leaves_the_run_as_it_was():
    settings = dict(learning_rate=1e9, steps=9, n_embd=4, n_head=1)
    told, step, before, after = javascript("""
        const run = new m.Run(new m.Config(data), ["ab"]), weights = () =>
          run.weights.map((w) => w.data);
        for (;;) {
          const before = weights();
          try { m.train_step(run); }
          catch (e) { return [e.message, run.step, before, weights()]; }
        }""", settings)
    run = microgpt.Run(microgpt.Config(**settings), ["ab"])
    with pytest.raises(ArithmeticError) as error:
        while True:
            microgpt.train_step(run)
    digits = re.compile(r"(\d\.\d{9})\d+")  # its last ones may differ
    assert digits.sub(r"\1", told) == digits.sub(r"\1", str(error.value))
    assert step == run.step
    assert before == after

# %% The same numbers


SEEDS = [0, 1, 2, 42, 624, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 10**9 + 7]
BIG_SEEDS = [2**53 + 1, 2**64 - 1, 123456789012345678, 10**18]


def test_the_generator_is_python_s():
    """Thousands of draws of each kind, in turn and from many seeds."""
    seeds = SEEDS + list(range(100, 110)) + BIG_SEEDS
    lengths, weights = [1, 2, 3, 5, 64, 65, 1000], [0.1, 0.5, 0.0, 2.5, 1e-9, 0.3]
    theirs = javascript("""
        return data.seeds.map((seed) => {
          const rng = new m.Random(BigInt(seed)), list = (n, draw) =>
            Array.from({ length: n }, draw);
          return [list(300, () => rng.random()), list(301, () => rng.gauss(1, 2)),
            data.lengths.map((n) => { const x = [...Array(n).keys()];
                                      rng.shuffle(x); return x; }),
            list(400, () => rng.choices(data.weights)),
            list(300, () => rng.gauss(0, 0.08)), rng.getstate()];
        })""", dict(seeds=[str(s) for s in seeds], lengths=lengths, weights=weights))
    for seed, drawn in zip(seeds, theirs):
        rng = random.Random(seed)
        assert drawn[0] == [rng.random() for _ in range(300)]
        assert drawn[1] == pytest.approx([rng.gauss(1, 2) for _ in range(301)],
                                         rel=1e-14, abs=1e-14)
        for shuffled, n in zip(drawn[2], lengths):
            expected = list(range(n))
            rng.shuffle(expected)
            assert shuffled == expected
        assert drawn[3] == [rng.choices(range(len(weights)), weights=weights)
                            for _ in range(400)]
        assert drawn[4] == pytest.approx([rng.gauss(0.0, 0.08) for _ in range(300)],
                                         rel=1e-14, abs=1e-14)
        version, state, gauss = rng.getstate()
        assert drawn[5][:2] == [version, list(state)]
        assert drawn[5][2] == (gauss and pytest.approx(gauss, rel=1e-14))


def test_numbers_and_texts_are_spelled_as_in_python():
    rng = random.Random(3)
    numbers = [0.0, -0.0, 1.0, -2.5, 1e15, 1e16, 123456789012345680.0, 1e-4, 1e-5,
               9.999e-5, 1e-7, 5e-324, 1.7976931348623157e308, 0.1, 1e22, 1e21]
    numbers += [rng.gauss(0, 1) * 10.0 ** rng.randrange(-20, 25) for _ in range(500)]
    assert javascript("return data.map((x) => m.repr(x, true))", numbers) == [
        repr(x) for x in numbers]
    texts = [chr(i) for i in range(0x250)] + ["it's", '"', "it's \"", "\\n", "\u2028",
                                              "😀", "\U000e0001", "\ufeff", "\u3000"]
    assert javascript("return data.map((x) => m.repr(x))", texts) == [
        repr(x) for x in texts]


@pytest.mark.parametrize("settings", [
    dict(n_embd=8, n_head=2, n_layer=2, block_size=6, seed=5),
    dict(n_embd=12, n_head=3, block_size=9, seed=6)])
def test_losses_and_gradients_are_the_same(settings):
    docs = ["anna", "bob", "evelyn"]
    theirs = javascript("""
        const run = new m.Run(new m.Config(data.settings), data.docs);
        const losses = [1, 2, 3, 4].map(() => m.train_step(run));
        const loss = m.document_loss(run.config, run.params, run.tokenizer, "evelyn");
        run.weights.forEach((w) => { w.grad = 0; });
        loss.backward();
        return [losses, loss.data, run.weights.map((w) => [w.data, w.grad]),
                Object.keys(run.params), m.topological_order(loss).length];""",
        dict(settings=settings, docs=docs))
    run = microgpt.Run(microgpt.Config(**settings), docs)
    losses = [microgpt.train_step(run) for _ in range(4)]
    loss = microgpt.document_loss(run.config, run.params, run.tokenizer, "evelyn")
    for w in run.weights:
        w.grad = 0.0
    loss.backward()
    assert theirs[0] == pytest.approx(losses, rel=1e-9)
    assert theirs[1] == pytest.approx(loss.data, rel=1e-9)
    for ours, (data, grad) in zip(run.weights, theirs[2]):
        assert data == pytest.approx(ours.data, rel=1e-7, abs=1e-9)
        assert grad == pytest.approx(ours.grad, rel=1e-5, abs=1e-9)
    assert len(theirs[2]) == len(run.weights)
    assert theirs[3] == list(run.params)
    assert theirs[4] == len(microgpt.topological_order(loss))


def test_backward_walks_a_long_chain_and_adds_up_in_leaves():
    assert javascript("""
        let v = new m.Value(1);
        const first = v;
        for (let i = 0; i < 300000; i++) v = v.add(1);
        v.backward();
        const x = new m.Value(3), z = x.mul(x).mul(2);
        const grads = [1, 2, 3].map(() => { z.backward(); return x.grad; });
        return [v.data, first.grad, grads, String(x)]""") == [
            300001, 1, [12, 24, 36], "Value(data=3.0, grad=36.0)"]


def test_both_define_the_same_in_the_same_order():
    """As the page says: they can be read side by side."""
    def names(path, mark, pattern):
        text = path.read_text(encoding="utf-8")
        return re.findall(pattern, text[text.index(f"{mark} %% Tokenizer"):
                                        text.index(f"{mark} %% Data")], re.M)

    assert names(PYTHON, "#", r"^(?:class|def) (\w+)") == names(
        JAVASCRIPT, "//", r"^(?:class|function) (\w+)")

# %% The same models


# what went before: characters that the text has not, as --init leaves them
VOCABULARY = ["a", "b", "z", "😀"]


@pytest.mark.parametrize("settings, docs, tokenizer", [
    ({}, ["añ'na", "b\"\\ob", "eve\u2028", "😀\x7f"], None),
    (dict(seed=2**53 + 1, learning_rate=1e-7, temperature=1.0), ["ab", "b"], None),
    (dict(holdout=0.25, adam_eps=1e-99, beta1=0.0), ["ab", "ba", "aa", "b"], None),
    (dict(paragraphs=True), ["a\nb", "b"], None),
    ({}, ["ab", "ba"], microgpt.Tokenizer(VOCABULARY))])
def test_a_model_goes_from_one_to_the_other_and_back(settings, docs, tokenizer, tmp_path):
    config = microgpt.Config(n_embd=4, n_head=2, block_size=5, steps=20, **settings)
    run = microgpt.Run(config, docs, tokenizer)
    for _ in range(7):
        microgpt.train_step(run)
    run.rng.gauss(0, 1)  # the second of its pair is kept
    saved = tmp_path / "model.json"
    microgpt.save(saved, run)
    same, went_on = javascript("""
        const run = m.load(data.text, "model.json", data.docs), same = m.save(run);
        while (run.step < 13) m.train_step(run);
        return [same, m.save(run)]""",
        dict(text=saved.read_text("ascii"), docs=docs))
    saved.write_text(same, "utf-8")
    back = microgpt.load(saved, docs)
    for name in "config", "step", "m", "v", "docs_crc", "docs", "held_out":
        assert getattr(back, name) == getattr(run, name)
    assert [w.data for w in back.weights] == [w.data for w in run.weights]
    assert back.rng.getstate() == run.rng.getstate()
    assert back.tokenizer.chars == run.tokenizer.chars
    saved.write_text(went_on, "utf-8")
    back = microgpt.load(saved, docs)
    assert back.step == 13
    for some in back, run:
        while some.step < 20:
            microgpt.train_step(some)
    assert [w.data for w in back.weights] == pytest.approx(
        [w.data for w in run.weights], rel=1e-6, abs=1e-9)
    assert [microgpt.generate(config, r.params, r.tokenizer, r.rng)
            for r in (back, back, back)] == [
        microgpt.generate(config, r.params, r.tokenizer, r.rng)
        for r in (run, run, run)]


def test_a_model_of_each_version_is_loaded():
    """Also where it lacks a setting, as those of an older program may."""
    paths = sorted((ROOT / "tests/models").glob("version-[0-9].json"))
    if not paths:
        pytest.skip("no model is kept here")
    for path in paths:
        run = microgpt.load(path)
        step, weights, sample = javascript("""
            const run = m.load(data, "model.json");
            return [run.step, run.weights.map((w) => w.data), m.generate(
                run.config, run.params, run.tokenizer, run.rng)]""",
            path.read_text("ascii"))
        assert (step, weights) == (run.step, [w.data for w in run.weights])
        assert sample == microgpt.generate(
            run.config, run.params, run.tokenizer, run.rng)


def sealed(data):
    """data as a model file, with the checksum that makes it whole."""
    text = json.dumps(data)[:-1]
    return f'{text}, "checksum": {zlib.crc32(text.encode())}}}'


def test_what_is_no_model_is_refused_in_one_sentence(tmp_path):
    docs = ["ab", "ba", "bb"]
    path = tmp_path / "model.json"
    config = microgpt.Config(n_embd=4, n_head=2, block_size=5, steps=20)
    microgpt.save(path, microgpt.Run(config, docs))
    text = path.read_text("ascii")
    good = json.loads(text)
    del good["checksum"], good["config"]["beta1"]
    wrong = [text[:-1], text.replace("0.01", "0.02"), text + "\n", "[]", "hello", "{}"]
    by_both = [dict(format="microgpt model, version 3"),
               dict(weights=good["weights"][1:]), dict(m=[None, *good["m"][1:]]),
               dict(config={**good["config"], "n_head": 3}),
               dict(config={**good["config"], "more": 3}),
               dict(rng=[4, *good["rng"][1:]]), dict(vocabulary=None)]
    wrong += [sealed({**good, **change}) for change in by_both]
    only_here = [sealed({**good, **change}) for change in [
        dict(step=2.5), dict(step="0"), dict(step=-1)]]
    told = javascript(f"return data.map((text) => ({TELL})(() => "
                      "m.load(text, 'model.json')))", [*wrong, *only_here])
    begin = "'model.json' is not a model saved by this microgpt: "
    for text, message in zip(wrong, told):
        path.write_text(text, "ascii")
        with pytest.raises(ValueError) as error:
            microgpt.load(path)
        assert message.startswith(begin)
        assert "undefined" not in message and "null" not in message
        if "version 3" in text:
            assert message == f"{begin}it is a microgpt model, version 3, this knows 2"
            assert message in str(error.value).replace(repr(path), "'model.json'")
    assert all(line.startswith(begin) for line in told[len(wrong):])
    loaded, other = javascript("""
        return [m.load(data, "model.json").config.beta1, (%s)(() =>
            m.load(data, "model.json", ["ab", "ba"]))]""" % TELL, sealed(good))
    assert loaded == config.beta1  # a setting that a model lacks takes its default
    assert other == "'model.json' goes on only with what it was trained on"


def test_nan_is_not_saved():
    assert javascript(f"""
        const run = new m.Run(new m.Config({{ n_embd: 4, n_head: 1 }}), ["ab"]);
        run.weights[3].data = NaN;
        return ({TELL})(() => m.save(run));""") == (
            "Out of range float values are not JSON compliant")

# %% An expression of one's own


LETTERS = {"a": 2.0, "b": -0.75, "x": 0.0, "long_name": 1.5}


def worked_out(texts, letters=LETTERS):
    """[value, {letter: slope}], or the message, of each by expression.js."""
    return javascript("""
        const { story } = require(data.file);
        return data.texts.map((text) => {
          try {
            const { value, slopes } = story(text, data.letters);
            return [m.repr(value, true), Object.entries(slopes).map(
              ([name, slope]) => [name, m.repr(slope, true)])];
          } catch (error) { return error.message; }
        });""", dict(file=str(JAVASCRIPT.parent / "expression.js"), texts=texts,
                     letters=letters))


def by_python(text, letters=LETTERS):
    """The same by Python and Value; the error where there is one."""
    values = {name: microgpt.Value(x) for name, x in letters.items()}
    try:
        out = eval(text, {"__builtins__": {}}, dict(values))
        if not isinstance(out, microgpt.Value):
            return TypeError("a number")
        out.backward()
    except Exception as error:
        return error
    return out.data, {name: v.grad for name, v in values.items()}


def expression(rng, depth=0):
    """A random expression, not too deep."""
    def part():
        return expression(rng, depth + 1)

    kind = rng.choice(["leaf"] * (1 + 2 * depth) + ["binary"] * 6 + [
        "minus", "power", "call", "call", "brackets"])
    if kind == "leaf" or depth > 5:
        return rng.choice([*LETTERS, *LETTERS, "2", "0.5", "3.", ".25", "1e-1", "0"])
    if kind == "binary":
        return f"{part()}{rng.choice(['+', '-', ' * ', '*', '/', ' / '])}{part()}"
    if kind == "minus":
        return f"-{part()}"
    if kind == "power":
        n = rng.choice(["2", "3", "-1", "0", "0.5", "-2**2", "2**-1", "(1-3)"])
        return f"{rng.choice([*LETTERS, f'({part()})'])}**{n}"
    if kind == "call":
        return f"({part()}).{rng.choice(['log', 'exp', 'relu'])}()"
    return f"({part()})"


def test_random_expressions_are_worked_out_as_by_python():
    rng = random.Random(14)
    texts = [expression(rng) for _ in range(1500)]
    texts += ["-a**3", "a**-1", "2*-a", "--a", "a - -b", "a**2**0.5", "2**3**2*a",
              "-2**2*a", "a.exp().log()", "a/b/a", "a-b-a", "2/a", "2-a", "2+a*3",
              "( a\t* b+a ).relu ( )", "a*a", "long_name", "a**(2)", "a**-(-2)"]
    good = bad = 0
    for text, found in zip(texts, worked_out(texts)):
        expected = by_python(text)
        if isinstance(expected, Exception):
            bad += 1
            assert isinstance(found, str), (text, expected, found)
            if isinstance(expected, (ValueError, OverflowError)):
                kind = str(expected)
                assert found.endswith(("math domain error", "math range error"))
                assert found.endswith(kind) or not kind.startswith("math"), text
            if isinstance(expected, ZeroDivisionError):
                assert "division by zero" in found or "is no number" in found, text
            continue
        if isinstance(found, str):
            assert "too many to draw" in found, (text, found)
            continue
        good += 1
        value, slopes = expected
        close = dict(rel=1e-9, abs=1e-12, nan_ok=True)
        assert float(found[0]) == pytest.approx(value, **close), text
        for name, slope in found[1]:
            assert float(slope) == pytest.approx(slopes[name], **close), text
        assert {name for name, _ in found[1]} == {
            name for name in LETTERS if re.search(rf"\b{name}\b", text)}
    assert good > 700 and bad > 100, (good, bad)


def test_a_wrong_expression_gets_one_clear_line():
    wrong = {
        "": "type an expression, such as a*b + a",
        "a +": "the expression ends after “+”, where a number, a letter or “(” is due",
        "(a*b": "the expression ends after “b”, where an operator or “)” is due",
        "a)": "“)” stands after “a”, where an operator is due",
        "2a": "“a” stands after “2”, where an operator is due",
        "a * * b": "“*” stands after “*”, where a number, a letter or “(” is due",
        "a % b": "“%” has no meaning here",
        "a.sqrt()": "“sqrt” stands after “.”, where log(), exp() or relu() is due",
        "a.log": "the expression ends after “log”, where “(” is due",
        "a.log(2)": "“2” stands after “(”, where “)” is due",
        "2 + 3": "there is no letter in it: it is a number, not a Value",
        "(2).exp() * a": "2.0 is a number, and has no .exp()",
        "a ** b": "an exponent must be a number, without letters",
        "2 ** a": "an exponent must be a number, without letters",
        "+a": "a Value has no + of its own: leave it out",
        "a / x": "2.0 / 0.0: math domain error",
        "1 / 0 * a": "1.0 / 0.0: division by zero",
        "b.log()": "(-0.75).log(): math domain error",
        "b ** 0.5": "-0.75 ** 0.5: math domain error",
        "(1000 * a).exp()": "(2000.0).exp(): math range error",
        "a" + " + a" * 40: "41 nodes are more than 40: too many to draw",
    }
    told = dict(zip(wrong, worked_out(list(wrong))))
    assert told == wrong
    for text in wrong:
        if "too many" not in wrong[text]:
            assert isinstance(by_python(text), Exception), text
