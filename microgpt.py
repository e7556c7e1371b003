"""microgpt: a whole GPT in one file of plain Python, from autograd to samples.

    python microgpt.py            learn the names below, then invent twenty more
    python microgpt.py FILE       learn your own text, one document a line
    python microgpt.py --help     every option and its default

Nothing to install and no network. Each `# %%` cell needs only those above it:
read them, run them, or paste them into a notebook, where `run` is the model.

Short names:  x         the residual stream: n_embd numbers for each token
              w         a weight, or a matrix of them, [n_out][n_in]
              q, k, v   the query, key and value vectors of attention
              wte, wpe  the tables of token and position embeddings
              v         some Value; with m, Adam's means of slopes and squares
              bos       the token that marks where a document begins and ends
              rng       a random.Random, the only source of chance

After Andrej Karpathy's microgpt (2026), whose published run it reproduces.
"""
import argparse, contextlib, functools, gc, json, math, os, pathlib, random
import re, shutil, signal, sys, tempfile, time, zlib
from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields, replace
from operator import mul

# the sum of p[i] * q[i], which Python itself has since 3.12
sumprod = getattr(math, "sumprod", lambda p, q: sum(map(mul, p, q)))

# %% Tokenizer
class Tokenizer:
    """Text to token ids and back: a token is one character, or `bos`.
    >>> tokenizer = Tokenizer(["emma", "ava"])
    >>> tokenizer.encode("mave"), tokenizer.bos, tokenizer.vocab_size
    ([2, 0, 3, 1], 4, 5)
    """
    def __init__(self, docs):
        self.chars = sorted(set().union(*docs))
        self.bos = len(self.chars)
        self.vocab_size = len(self.chars) + 1

    def encode(self, text):
        """Token ids of text. Raises ValueError at an unknown character."""
        for char in sorted(set(text).difference(self.chars)):
            raise ValueError(f"{char!r} is not in the vocabulary")
        return [self.chars.index(char) for char in text]

    def decode(self, token_ids):
        return "".join([self.chars[i] for i in token_ids])

# %% Autograd
class Value:
    """A number that remembers what it was computed from.
    >>> a, b = Value(2.0), Value(3.0)
    >>> d = a * b + a
    >>> d.backward()                # how fast does d change with a and with b?
    >>> d.data, a.grad, b.grad
    (8.0, 4.0, 2.0)
    """
    __slots__ = ("data", "grad", "_children", "_local_grads")

    def __init__(self, data, children=(), local_grads=()):
        # fsum makes a float of any one number, and refuses "3" and None
        self.data = data if type(data) is float else math.fsum([data])
        self.grad = 0.0
        self._children = children
        self._local_grads = local_grads  # d self / d child, one for each

    def __repr__(self): return f"Value(data={self.data}, grad={self.grad})"

    def __add__(self, other):  # d(a + b)/da = 1, d(a + b)/db = 1
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):  # d(a * b)/da = b, d(a * b)/db = a
        other = other if isinstance(other, Value) else Value(other)
        slopes = other.data, self.data
        return Value(self.data * other.data, (self, other), slopes)

    def __pow__(self, n):  # d(a ** n)/da = n * a ** (n - 1), n a number
        n = math.fsum([n])  # a float, or an error where n is a Value
        # math.pow knows no complex numbers: (-8) ** 0.5 is an error
        slope = n * math.pow(self.data, n - 1) if n != 0 else 0.0
        return Value(math.pow(self.data, n), (self,), (slope,))

    def log(self):  # d(log a)/da = 1 / a
        return Value(math.log(self.data), (self,), (1.0 / self.data,))

    def exp(self, less=0.0):  # d(exp(a - c))/da = exp(a - c), c a number
        data = math.exp(self.data - less)
        return Value(data, (self,), (data,))

    def relu(self):  # slope 1 above zero, 0 elsewhere; max(nan, 0.0) is nan
        return Value(max(self.data, 0.0), (self,), (1.0 - (self.data <= 0.0),))

    def backward(self):
        """Add to the grad of every leaf the slope of self in that leaf."""
        order = topological_order(self)
        self.grad += 1.0
        for v in reversed(order):
            grad = v.grad
            if grad:  # else there is nothing to pass on
                for child, local_grad in zip(v._children, v._local_grads):
                    child.grad += local_grad * grad

    def __neg__(self): return self * -1.0
    def __radd__(self, other): return self + other
    def __sub__(self, other): return self + (-other)
    def __rsub__(self, other): return other + (-self)
    def __rmul__(self, other): return self * other
    def __truediv__(self, other): return self * (Value(0.0) + other) ** -1
    def __rtruediv__(self, other): return other * self ** -1

def topological_order(root):
    """What root was computed from, children before parents, without leaves."""
    order = []
    stack = [(root, iter(root._children))] if root._children else []
    while stack:  # our own, for Python's is too shallow
        for child in stack[-1][1]:
            if child._children and child.grad is not order:
                child.grad = order  # a mark: 4% quicker than a set
                stack.append((child, iter(child._children)))
                break  # to come back here when child is done
        else:
            order.append(stack.pop()[0])
    for v in order:
        v.grad = 0.0  # only leaves add up over several walks
    return order

def total(values):
    """The sum of Values as one node: [n] -> one. Its slope in each is 1."""
    values = tuple(values)
    return Value(sum([v.data for v in values]), values, (1.0,) * len(values))

# %% Model
def setting(default, low, high, help=None):
    return field(default=default, metadata=dict(range=(low, high), help=help))

@dataclass(frozen=True)
class Config:
    """Every setting of a run. Raises ValueError if one is out of its range."""
    n_embd: int = setting(16, 1, 9999, "numbers that stand for one token")
    n_head: int = setting(4, 1, 9999, "attention heads in a layer")
    n_layer: int = setting(1, 1, 9999, "layers of attention and MLP")
    block_size: int = setting(16, 1, 99999, "longest context, in tokens")
    steps: int = setting(1000, 0, 10**9, "training steps, one document each")
    learning_rate: float = setting(0.01, 1e-9, 1e9, "first step's, falls to 0")
    beta1: float = setting(0.85, 0.0, 0.999999)  # Adam's memory of gradients
    beta2: float = setting(0.99, 0.0, 0.999999)  # and of their squares
    adam_eps: float = setting(1e-8, 1e-99, 1.0)  # keeps Adam from x / 0
    holdout: float = setting(0.0, 0.0, 0.99, "share of documents kept apart")
    paragraphs: bool = setting(False, 0, 1, "documents end at empty lines")
    samples: int = setting(20, 0, 10**9, "documents to invent")
    temperature: float = setting(0.5, 0.0, 1e9, "of sampling; 0: the likeliest")
    seed: int = setting(42, 0, 10**18, "what the random numbers start from")

    def __post_init__(self):
        for f in fields(self):
            got, (low, high) = getattr(self, f.name), f.metadata["range"]
            if type(got) not in (int, f.type) or not low <= got <= high:
                raise ValueError(f"{f.name}={got!r:.80} not in {low}..{high}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd={self.n_embd} must be a multiple of "
                             f"n_head={self.n_head}")

def n_params(config, vocab_size):
    """How many weights a model has, in all its matrices together."""
    n = config.n_embd
    return n * (2 * vocab_size + config.block_size + 12 * n * config.n_layer)

def init_params(config, vocab_size, rng):
    """Random weights {name: [n_out][n_in] Values}. Raises ValueError."""
    if n_params(config, vocab_size) > 10_000_000:  # some 2 GB
        raise ValueError("over 10000000 parameters: lower n_embd or n_layer")
    n = config.n_embd
    spread = 0.32 / math.sqrt(n)  # the more numbers add up, the smaller each

    def matrix(n_out, n_in):
        return [tuple([Value(rng.gauss(0.0, spread)) for _ in range(n_in)])
                for _ in range(n_out)]

    params = {"wte": matrix(vocab_size, n), "wpe": matrix(config.block_size, n),
              "lm_head": matrix(vocab_size, n)}
    for i in range(config.n_layer):
        for name in "qkvo":
            params[f"layer{i}.attn_w{name}"] = matrix(n, n)
        params[f"layer{i}.mlp_fc1"] = matrix(4 * n, n)
        params[f"layer{i}.mlp_fc2"] = matrix(n, 4 * n)
    return params

def linear(x, w):
    """Dot products: [tokens][n_in], [n_out][n_in] -> [tokens][n_out].
    Each is one node, whose slope in a number is the one beside it."""
    if len(x[0]) != len(w[0]):
        raise ValueError(f"{len(x[0])} numbers meet {len(w[0])} weights")
    weights = [(tuple(row), [v.data for v in row]) for row in w]
    out = []
    for row in map(tuple, x):
        data = [v.data for v in row]
        out.append([Value(sumprod(data, w_data), row + w_row, w_data + data)
                    for w_row, w_data in weights])
    return out

def add(x, y):
    """Sum, number by number: [tokens][n], [tokens][n] -> [tokens][n]."""
    return [[a + b for a, b in zip(*rows)] for rows in zip(x, y)]

def softmax(logits):
    """Probabilities in proportion to exp(logit): [n] -> [n]."""
    top = max([v.data for v in logits])  # exp of a large number overflows
    exps = [v.exp(top) for v in logits]
    scale = total(exps) ** -1
    return [e * scale for e in exps]

def rmsnorm(row):
    """row over its root mean square: [n] -> [n]. Zhang and Sennrich, 2019."""
    [[square]] = linear([row], [row])
    scale = (square * (1 / len(row)) + 1e-5) ** -0.5  # row can be all zeros
    return [v * scale for v in row]

def attention(n_head, q, keys, values):
    """Mean of values, weighted by the softmax of q's scores with their keys, by
    each head for its own slice: [n], [tokens][n], [tokens][n] -> [n].
    Vaswani et al., 2017."""
    head_dim = len(q) // n_head
    scale = Value(head_dim ** -0.5)  # else the scores grow with head_dim
    q = [v * scale for v in q]
    mixed = []
    for start in range(0, len(q), head_dim):
        head = slice(start, start + head_dim)
        [scores] = linear([q[head]], [row[head] for row in keys])
        columns = list(zip(*[row[head] for row in values]))
        [mean] = linear([softmax(scores)], columns)
        mixed += mean
    return mixed

def mlp(x, fc1, fc2):
    """fc2 of the relu of fc1 of x: [tokens][n] -> [tokens][n]."""
    out = []
    for row in linear(x, fc1):
        on = [j for j, v in enumerate(row) if not v.data <= 0.0]  # nan stays
        fc2_on = [[w_row[j] for j in on] for w_row in fc2]  # 0 adds nothing
        out += linear([[row[j].relu() for j in on]], fc2_on)
    return out

def gpt(config, params, token_ids, keys, values):
    """Logits of the token after each: [tokens] -> [tokens][vocab_size].
    keys[layer] and values[layer], [tokens][n_embd], of the tokens before are
    added to. Raises IndexError past block_size. Radford et al., 2019."""
    before = len(keys[0])
    tokens = [params["wte"][i] for i in token_ids]
    positions = [params["wpe"][before + i] for i in range(len(tokens))]
    x = [rmsnorm(row) for row in add(tokens, positions)]

    for i in range(config.n_layer):
        normed = [rmsnorm(row) for row in x]
        q = linear(normed, params[f"layer{i}.attn_wq"])
        keys[i] += linear(normed, params[f"layer{i}.attn_wk"])
        values[i] += linear(normed, params[f"layer{i}.attn_wv"])
        mixed = [attention(config.n_head, row, keys[i][:seen], values[i][:seen])
                 for seen, row in enumerate(q, before + 1)]  # none after it
        x = add(x, linear(mixed, params[f"layer{i}.attn_wo"]))

        normed = [rmsnorm(row) for row in x]
        x = add(x, mlp(normed, params[f"layer{i}.mlp_fc1"],
                       params[f"layer{i}.mlp_fc2"]))

    return linear(x, params["lm_head"])

# %% Training
def cross_entropy(logits, target):
    """-log of the probability of target by softmax, in nats: [n] -> one."""
    top = max([v.data for v in logits])
    return total([v.exp(top) for v in logits]).log() - (logits[target] - top)

def document_loss(config, params, tokenizer, doc):
    """Mean of -log p(next token) over the first block_size tokens, in nats."""
    text = tokenizer.encode(doc[:config.block_size])
    tokens = [tokenizer.bos, *text, tokenizer.bos][:config.block_size + 1]
    keys, values = defaultdict(list), defaultdict(list)
    logits = gpt(config, params, tokens[:-1], keys, values)
    losses = [cross_entropy(*pair) for pair in zip(logits, tokens[1:])]
    return total(losses) * (1 / len(losses))

class Run:
    """A model in training: all it takes to go on as if it had never stopped."""
    def __init__(self, config, docs, tokenizer=None):
        docs = docs.copy()  # a list: a string would be one of characters
        self.config = config
        self.step = 0
        self.rng = random.Random(config.seed)
        self.docs_crc = zlib.crc32(json.dumps(docs).encode())  # a checksum
        self.rng.shuffle(docs)
        n_held_out = int(len(docs) * config.holdout)  # never all of them
        self.held_out = docs[:n_held_out]
        self.docs = docs[n_held_out:]
        self.tokenizer = tokenizer or Tokenizer(docs)
        self.params = init_params(config, self.tokenizer.vocab_size, self.rng)
        self.weights = [w for matrix in self.params.values()
                        for row in matrix for w in row]
        self.m = [0.0] * len(self.weights)
        self.v = [0.0] * len(self.weights)

def held_out_loss(run):
    """Mean loss of the documents that are held out, in nats a token."""
    losses = [document_loss(run.config, run.params, run.tokenizer, doc).data
              for doc in run.held_out]
    return sum(losses) / len(losses)

def train_step(run):
    """Learn the next document, by Adam -> its loss, in nats a token.
    Whatever it raises leaves run as it was: ArithmeticError when training
    diverges, ValueError when no step is left. Kingma and Ba, 2014."""
    config, m, v = run.config, run.m, run.v
    if not run.docs or run.step >= config.steps:
        raise ValueError("there are no documents, or no steps left")
    before = [w.data for w in run.weights], m[:], v[:], run.step
    collecting = gc.isenabled()
    try:
        if sys.implementation.name == "cpython":
            gc.disable()  # graphs have no cycles: to seek some is lost time
        doc = run.docs[run.step % len(run.docs)]
        loss = document_loss(config, run.params, run.tokenizer, doc)
        if not math.exp(-loss.data) > 0.0:  # as likely as that, or nan
            raise ArithmeticError(f"training diverged to a loss of {loss.data}"
                                  f": lower {config.learning_rate=}")
        for w in run.weights:
            w.grad = 0.0
        loss.backward()

        rate = config.learning_rate * (1 - run.step / config.steps)
        run.step += 1
        beta1, beta2, eps = config.beta1, config.beta2, config.adam_eps
        new1, new2 = 1 - beta1, 1 - beta2
        rate /= 1 - beta1 ** run.step  # m and v start at 0: undo that bias
        v_scale = 1 / (1 - beta2 ** run.step)
        for i, w in enumerate(run.weights):
            grad = w.grad
            m[i] = mean = beta1 * m[i] + new1 * grad
            v[i] = square = beta2 * v[i] + new2 * grad * grad
            w.data -= rate * mean / (math.sqrt(square * v_scale) + eps)
        return loss.data
    except BaseException:  # also of a Ctrl-C: no step is half taken
        data, run.m, run.v, run.step = before
        for w, w.data in zip(run.weights, data): pass
        raise
    finally:
        if collecting:
            gc.enable()

# %% Sampling
def generate(config, params, tokenizer, rng, prompt=""):
    """A new document, prompt and what follows, of up to block_size tokens."""
    tokens = new = [tokenizer.bos, *tokenizer.encode(prompt)]
    keys, values = defaultdict(list), defaultdict(list)
    temperature = max(config.temperature, 1e-9)  # then the likeliest is sure
    while len(tokens) <= config.block_size:
        logits = gpt(config, params, new, keys, values)[-1]
        probs = [p.data for p in softmax([v / temperature for v in logits])]
        if not sum(probs) > 0.0:
            raise ArithmeticError("a probability is nan: training diverged")
        new = rng.choices(range(tokenizer.vocab_size), probs)
        if new == [tokenizer.bos]:
            break
        tokens += new
    return tokenizer.decode(tokens[1:])

# %% Data
# The thousand most frequent given names of the 1990 census of the United
# States, women's and men's lists together (Census Bureau, public domain).
NAMES = """
aaron abigail abraham ada adam addie adele adrian adriana adrienne agnes aida
aimee al alan albert alberta alberto alejandro alex alexander alexandra alexis
alfonso alfred alfredo alice alicia alisha alison allan allen allison alma
alton alvin alyssa amanda amber amelia amy ana andre andrea andres andrew andy
angel angela angelica angelina angelo angie anita ann anna anne annette annie
anthony antoinette antonia antonio april archie arlene armando arnold arthur
arturo ashley aubrey audrey aurora austin barbara barry beatrice becky belinda
ben benjamin bennie benny bernadette bernard bernice bertha bessie beth bethany
betsy bettie betty beulah beverly bill billie billy blake blanca blanche bob
bobbie bobby bonita bonnie brad bradley brandi brandon brandy brenda brent
brett brian bridget brittany brittney brooke bruce bryan bryant byron caitlin
caleb calvin cameron camille candace candice cara carl carla carlos carlton
carmen carol carole caroline carolyn carrie carroll cary casey cassandra cassie
catherine cathy cecelia cecil cecilia cedric celeste celia cesar chad charlene
charles charlie charlotte chelsea cheri cheryl chester chris christa christian
christie christina christine christopher christy cindy claire clara clarence
clark claude claudia clayton cleo clifford clifton clint clinton clyde cody
colin colleen connie constance cora corey corinne cory courtney craig cristina
crystal curtis cynthia daisy dale dallas damon dan dana daniel danielle danny
darla darlene darrell darren darryl daryl dave david dawn dean deanna debbie
deborah debra delbert delia della delores deloris denise dennis derek derrick
desiree devin dewey diana diane dianna dianne dixie dolores dominic dominique
don donald donna donnie dora doreen doris dorothy dorthy doug douglas drew
duane dustin dwayne dwight earl earnest ebony ed eddie edgar edith edmund edna
eduardo edward edwin effie eileen elaine eleanor elena elisa elisabeth
elizabeth ella ellen ellis elmer eloise elsa elsie elva elvira emily emma
enrique eric erica erick erik erika erin erma ernest ernestine ernesto ervin
essie estella estelle esther ethel etta eugene eugenia eula eunice eva evan
evelyn everett faith fannie faye felicia felipe felix fern fernando flora
florence floyd forrest frances francine francis francisca francisco frank
frankie franklin fred freda freddie frederick fredrick gabriel gail gale
garrett garry gary gayle gene geneva genevieve geoffrey george georgia gerald
geraldine gerard gerardo gertrude gilbert gilberto gina ginger gladys glen
glenda glenn gloria goldie gordon grace grant greg gregg gregory gretchen
guadalupe guillermo gustavo guy gwen gwendolyn hannah harold harriet harry
harvey hattie hazel heather hector heidi helen helene henrietta henry herbert
herman hilda holly homer hope horace howard hubert hugh hugo ian ida ignacio
ina inez ingrid ira irene iris irma irving isaac isabel ismael israel iva ivan
jack jackie jacob jacqueline jacquelyn jaime jake james jamie jan jana jane
janelle janet janice janie janis jared jasmine jason javier jay jean jeanette
jeanne jeannette jeannie jeff jeffery jeffrey jenifer jenna jennie jennifer
jenny jeremiah jeremy jermaine jerome jerry jesse jessica jessie jesus jewel
jewell jill jim jimmie jimmy jo joan joann joanna joanne jodi jody joe joel
joey johanna john johnathan johnnie johnny jon jonathan jonathon jordan jorge
jose josefina joseph josephine josh joshua josie joy joyce juan juana juanita
judith judy julia julian julie julio julius june justin kara karen kari karin
karl karla kate katherine kathleen kathryn kathy katie katrina kay kayla keith
kelley kelli kellie kelly kelsey kelvin ken kendra kenneth kenny kent kerri
kerry kevin kim kimberly kirk krista kristen kristi kristie kristin kristina
kristine kristopher kristy krystal kurt kyle lana lance larry latasha latoya
laura laurel lauren laurence laurie laverne lawrence leah lee leigh lela leland
lena lenora leo leon leona leonard leroy lesley leslie lester leticia levi
lewis lila lillian lillie linda lindsay lindsey lionel lisa lloyd lois lola
lonnie lora loren lorena lorene lorenzo loretta lori lorraine lottie lou louis
louise lourdes lowell lucas lucia lucille lucinda lucy luis luke lula lupe
luther luz lydia lyle lynda lynette lynn lynne mabel mable mack madeline mae
maggie malcolm mamie mandy manuel marc marcella marcia marco marcos marcus
margaret margarita margie marguerite maria marian marianne marie marilyn marina
mario marion marissa marjorie mark marla marlene marsha marshall marta martha
martin marty marvin mary maryann mathew matt matthew mattie maude maureen
maurice max maxine may megan meghan melanie melba melinda melissa melody melvin
mercedes meredith merle michael micheal michele michelle miguel mike mildred
milton mindy minnie miranda miriam misty mitchell molly mona monica monique
morgan morris muriel myra myrna myron myrtle nadine nancy naomi natalie natasha
nathan nathaniel neal neil nellie nelson nettie nicholas nichole nick nicolas
nicole nikki nina noel nora norma norman olga olive oliver olivia ollie omar
opal ora orlando orville oscar otis owen pablo pam pamela pat patrice patricia
patrick patsy patti patty paul paula paulette pauline pearl pedro peggy penny
perry pete peter philip phillip phyllis preston priscilla rachael rachel rafael
ralph ramon ramona randall randolph randy raquel raul ray raymond reba rebecca
rebekah regina reginald rena rene renee rex rhonda ricardo richard rick rickey
ricky rita robbie robert roberta roberto robin robyn rochelle roderick rodney
rodolfo roger roland ron ronald ronda ronnie roosevelt rosa rosalie rosario
rose rosemarie rosemary rosie ross roxanne roy ruben ruby rudolph rudy rufus
russell ruth ryan sabrina sadie sallie sally salvador salvatore sam samantha
sammy samuel sandra sandy santos sara sarah scott sean sergio seth shane
shannon shari sharon shaun shawn shawna sheila shelby sheldon shelia shelley
shelly sheri sherman sherri sherrie sherry sheryl shirley sidney silvia simon
sonia sonja sonya sophia sophie spencer stacey stacie stacy stanley stella
stephanie stephen steve steven stuart sue susan susie suzanne sylvester sylvia
tabitha tamara tami tammie tammy tanya tara tasha taylor ted teresa teri
terrance terrence terri terry thelma theodore theresa thomas tiffany tim
timothy tina toby todd tom tommie tommy toni tony tonya tracey traci tracie
tracy travis trevor tricia trina trisha troy tyler tyrone valerie vanessa velma
vera verna vernon veronica vicki vickie vicky victor victoria vincent viola
violet virgil virginia vivian wade wallace walter wanda warren wayne wendell
wendy wesley whitney wilbert wilbur willard william willie willis wilma wilson
winifred wm woodrow yolanda yvette yvonne zachary
"""

def load_docs(path=None, paragraphs=False):
    """Documents of a UTF-8 file, or the names. Raises OSError, ValueError."""
    if path is None:
        return NAMES.split()
    with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
        data = file.read().replace(b"\0", b"\xff")  # neither is in UTF-8 text
    try:
        text = data.decode().replace("\ufeff", "")  # some editors' mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{path!r} is not UTF-8 text: see the byte at offset "
                         f"{error.start}") from None
    lines = [line.strip() for line in re.split("\r\n|\r|\n", text)]
    text = "\n".join(lines).strip()
    if not text:
        raise ValueError(f"{path!r} has no text: give it a document a line")
    return re.split("\n\n+" if paragraphs else "\n+", text)

# %% Saving
def save(path, run):
    """Write run to path, whole or not at all. Raises OSError, ValueError."""
    text = json.dumps({
        "format": "microgpt model, version 2", "config": asdict(run.config),
        "vocabulary": run.tokenizer.chars, "docs_crc": run.docs_crc,
        "weights": [w.data for w in run.weights], "m": run.m, "v": run.v,
        "step": run.step, "rng": run.rng.getstate()}, allow_nan=False)[:-1]
    text += f', "checksum": {zlib.crc32(text.encode())}}}'
    with tempfile.TemporaryDirectory(
            prefix=".microgpt-", dir=os.path.dirname(path)) as folder:
        with open(f"{folder}/part", "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the name
        os.replace(f"{folder}/part", path)

def load(path, docs=()):
    """The run in path; it goes on with its docs. Raises OSError, ValueError."""
    text = pathlib.Path(path).read_bytes()
    try:
        body, _, checksum = text.rpartition(b', "checksum": ')
        if checksum != b"%d}" % zlib.crc32(body):
            raise ValueError("its checksum is wrong or missing")
        data = json.loads(text)
        if data["format"] != "microgpt model, version 2":
            raise ValueError(f"it is a {data['format']}, this knows 2")
        config, vocabulary = Config(**data["config"]), data["vocabulary"]
        numbers = [[*map(float, data[name])] for name in ("weights", "m", "v")]
        if {*map(len, numbers)} != {n_params(config, len(vocabulary) + 1)}:
            raise ValueError("it has too few or too many weights")
        run = Run(config, list(docs), Tokenizer(vocabulary))
        weights, run.m, run.v = numbers
        for w, w.data in zip(run.weights, weights): pass
        version, state, gauss = data["rng"]
        run.rng.setstate((version, tuple(state), gauss))
        run.step, docs_crc = data["step"], data["docs_crc"]
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path!r} is not a model saved by this microgpt: "
                         f"{error!s:.200}") from None
    if docs and run.docs_crc != docs_crc:
        raise ValueError(f"{path!r} goes on only with what it was trained on")
    run.docs_crc = docs_crc
    return run

# %% Command line
say = functools.partial(print, flush=True)  # a pipe shows each line at once

def printable(text):
    """text with codes for what stdout can't show or a terminal would obey."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    return re.sub("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]",
                  lambda match: ascii(match[0])[1:-1], text)

def complain(error):
    """Say on stderr, in one line, what is wrong, if anybody can hear it."""
    text = re.sub(r"\[\w+ \d+\] ", "", str(error))  # as in [Errno 21]
    with contextlib.suppress(OSError):
        print("microgpt:", printable(text), file=sys.stderr, flush=True)

def parse(argv):
    """The options in argv. Raises ValueError, or SystemExit after the help."""
    def refuse(message): raise ValueError(message)
    parser = argparse.ArgumentParser("microgpt.py", allow_abbrev=False)
    parser.error = refuse  # its own would print all options too
    add = parser.add_argument
    add("file", metavar="FILE", nargs="?", help="UTF-8 text, a document a "
        "line; - is standard input (default: a thousand first names)")
    for f in fields(Config):
        if f.metadata["help"]:
            kind = (dict(action="store_true") if f.type is bool else
                    dict(type=f.type, metavar="N"))
            add("--" + f.name.replace("_", "-"), default=argparse.SUPPRESS,
                help=f"{f.metadata['help']} (default: {f.default})", **kind)
    add("--prompt", metavar="TEXT", default="", help="start of each sample")
    add("--save", metavar="MODEL", help="keep the model in this new file")
    add = parser.add_mutually_exclusive_group().add_argument
    add("--load", metavar="MODEL", help="sample from a saved model; with its "
        "FILE or --steps, finish its training first, and keep it there")
    add("--init", metavar="MODEL", help="train anew from a model's weights")
    return parser.parse_args([  # --n_embd is --n-embd
        re.sub("^--[^=]+", lambda match: match[0].replace("_", "-"), arg)
        for arg in argv])

def prepare(options):
    """The run that options ask for, and where to keep it, or what is wrong."""
    given = {k: v for k, v in vars(options).items() if hasattr(Config, k)}
    trains = options.load is None or options.file or "steps" in given
    model = options.init if options.load is None else options.load
    run = None if model is None else load(model)
    base, fixed = Config(), []
    if options.load is not None:
        if not trains and "seed" in given:  # other samples
            run.rng = random.Random(given.pop("seed"))
        base, fixed = run.config, given.keys() - {"samples", "temperature"}
    elif options.init is not None:
        fixed = "n_embd", "n_head", "n_layer", "block_size", "paragraphs"
        base = Config(**{name: getattr(run.config, name) for name in fixed})
    for name in sorted(given.keys() & fixed):
        if given[name] != getattr(base, name):
            raise ValueError(f"{name}={given[name]} is {getattr(base, name)} "
                             f"in {model!r}: --init changes all but sizes")
    config = replace(base, **given)

    docs = load_docs(options.file, config.paragraphs) if trains else []
    if options.load is None:
        known, run = run, Run(config, docs, run and run.tokenizer)
        for w, old in zip(run.weights, known.weights if known else []):
            w.data = old.data
    elif trains:
        run = load(model, docs)
    run.config = config
    for name, text in [(options.file or "the names", docs),
                       ("--prompt", options.prompt)]:
        for char in sorted(set().union(*text).difference(run.tokenizer.chars)):
            raise ValueError(f"{model or 'FILE'} lacks {char!r} of {name}")
    if len(options.prompt) >= config.block_size:
        raise ValueError(f"--prompt must be shorter than {config.block_size=}")

    path = options.load if options.save is None and trains else options.save
    if path is not None:
        if os.path.lexists(path) and not (
                options.load and os.path.samefile(path, options.load)):
            raise ValueError(f"{path!r} is there already: --load it to go on, "
                             "or remove it")
        save(path, run)  # where nothing can be written, say so now
    return run, path

def keep(run, path, quiet=False):
    """Save run to path -> False after saying why it failed, unless quiet."""
    try:
        save(path, run)
        return True
    except (OSError, ValueError) as error:
        if not quiet:
            complain(f"{path!r} cannot be written: {error}")
        return False

def learn(run, path):
    """Train run, show how it goes, and keep it in path -> whether it was kept.
    Then raises what ended it early, if that was no KeyboardInterrupt."""
    config, first, start = run.config, run.step + 1, time.perf_counter()
    lengths = [len(doc) for doc in run.docs + run.held_out]
    read = [min(n, config.block_size) for n in lengths]
    cut = read.count(config.block_size)
    say(f"documents {len(lengths)} ({len(run.held_out)} held out, {cut} cut to "
        f"{config.block_size} tokens) | vocabulary {run.tokenizer.vocab_size} "
        f"| parameters {len(run.weights)}")
    if sum(read) < sum(lengths) / 2:
        complain(f"only {sum(read)} of {sum(lengths)} characters are read: "
                 "raise --block-size, or give it shorter documents")

    # a stand-in for stdout may say that it is a terminal, and be none
    live = sys.stdout is sys.__stdout__ is not None and sys.stdout.isatty()
    held_out, kept = "", True
    try:
        while run.step < config.steps:
            loss = train_step(run)
            tenth = run.step * 10 % config.steps < 10
            shown = tenth or run.step == first
            if tenth and path is not None:  # a power cut costs no more
                kept = keep(run, path, quiet=not kept)
            if run.held_out and shown:
                held_out = f" | held-out {held_out_loss(run):.4f}"
            line = (f"step {run.step:4d} / {config.steps:4d} | "
                    f"loss {loss:.4f}{held_out}")
            pace = (time.perf_counter() - start) / (run.step - first + 1)
            left = (config.steps - run.step) * pace
            if live:
                line += f" | {1 / pace:.1f} steps/s | {left:.0f} s left"
                width = shutil.get_terminal_size().columns - 1
                say(f"\r{line:{width}.{width}}", end="" if left else "\n")
            elif shown:
                say(line)
            if not live and run.step == first + 2 and left > 60:
                complain(f"about {left / 60:.0f} min left")
    except (KeyboardInterrupt, OSError, SystemExit) as error:
        kept = path is None or keep(run, path)
        with contextlib.suppress(OSError):
            say(f"stopped after step {run.step} of {config.steps}")
        if not isinstance(error, KeyboardInterrupt):
            raise error if kept else SystemExit(1)
    return kept

def main(argv, names=None):
    """Do what argv asks for -> an exit status. names, a dict, gets "run"."""
    status = 2  # refused
    try:
        options = parse(argv)
        run, path = prepare(options)
        status, kept, n_known = 1, True, 0
        if names is not None:
            names["run"] = run
        if run.docs:
            kept = learn(run, path)
        known = {doc[:run.config.block_size] for doc in run.docs + run.held_out}
        for i in range(1, run.config.samples + 1):
            text = generate(run.config, run.params, run.tokenizer, run.rng,
                            options.prompt)
            n_known += text in known
            say(f"sample {i:2d}:", "\n".join(map(printable, text.split("\n"))))
        if known and run.config.samples:
            say(f"word for word in the documents: {n_known} of {i}")
        return 0 if kept else 1
    except (KeyboardInterrupt, SystemExit) as error:
        return getattr(error, "code", 130)  # 0 after the help
    except BrokenPipeError:  # as with | head -3
        return 0
    except (ArithmeticError, MemoryError, OSError, ValueError) as error:
        complain(str(error) or "out of memory")
    return status

def end(signum, frame):
    """Leave with the status that shells give, and heed no more of its kind."""
    for name in "SIGTERM", "SIGHUP":  # a closing terminal sends both
        signal.signal(getattr(signal, name, signum), lambda *args: None)
    raise SystemExit(128 + signum)

if __name__ == "__main__":
    # a notebook has no __file__, or a name of its own; its argv is not ours
    marks = {"__file__", "get_ipython", "__marimo__"} & globals().keys()
    script = marks == {"__file__"}
    for name in ["SIGTERM", "SIGHUP"] * script:  # Windows has no SIGHUP
        signum = getattr(signal, name, signal.SIGTERM)
        if signal.getsignal(signum) == signal.SIG_DFL:
            signal.signal(signum, end)
    status = main(sys.argv[1:] if script else [], globals())
    if script and not sys.flags.inspect:
        with contextlib.suppress(OSError):
            say(end="")
            sys.exit(status)
        os._exit(status)  # stdout is gone, and Python would complain of it
