"""microgpt: a whole GPT in one file of plain Python, from autograd to samples.

    python microgpt.py            learn the names below, then invent twenty more
    python microgpt.py FILE       learn your own text, one document a line
    python microgpt.py --help     every option and its default

Nothing to install and no network. Each `# %%` cell needs only the cells above
it, so the file can be read, run or pasted into a notebook from top to bottom.
There, and under `python -i`, the trained model stays at hand as `run`.

Short names:  x         the residual stream: n_embd numbers for each token
              w         a weight, or a matrix of them, [n_out][n_in]
              q, k, v   the query, key and value vectors of attention
              wte, wpe  the tables of token and position embeddings
              m, v      Adam's running means of the gradient and of its square
              v         anywhere else: some Value
              bos       the token that marks where a document begins and ends
              rng       a random.Random, the only source of chance

After Andrej Karpathy's microgpt (2026), whose published run it reproduces.
"""
import argparse, contextlib, gc, json, math, os, random, re, shutil, signal
import sys, tempfile, threading, time, zlib
from dataclasses import asdict, dataclass, field, fields, replace
from operator import mul

# the sum of p[i] * q[i], which Python itself has since 3.12
sumprod = getattr(math, "sumprod", lambda p, q: sum(map(mul, p, q)))

def require_length(n, rows):
    """Raise ValueError unless each row has n numbers: zip would not notice."""
    for row in rows:
        if len(row) != n:
            raise ValueError(f"{len(row)} numbers where {n} are needed")

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
        self._ids = {char: i for i, char in enumerate(self.chars)}

    def encode(self, text):
        """Token ids of text. Raises ValueError at an unknown character."""
        try:
            return [self._ids[char] for char in text]
        except KeyError as error:
            raise ValueError(f"{error} is not in the vocabulary") from None

    def decode(self, token_ids):
        """The text of token ids. Raises KeyError at bos, which has none."""
        chars = dict(enumerate(self.chars))  # a list would know a -1
        return "".join([chars[i] for i in token_ids])

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

    def exp(self):  # d(exp a)/da = exp a
        data = math.exp(self.data)
        return Value(data, (self,), (data,))

    def relu(self):  # slope 1 above zero, 0 elsewhere; max(nan, 0.0) is nan
        return Value(max(self.data, 0.0), (self,), (1.0 - (self.data <= 0.0),))

    def backward(self):
        """Add to the grad of every leaf the slope of self in that leaf."""
        order = topological_order(self)
        for v in order:
            v.grad = 0.0  # only leaves add up over several calls
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
    order, visited = [], {root}
    stack = [(root, iter(root._children))] if root._children else []
    while stack:  # our own, for Python's is too shallow
        v, rest = stack[-1]
        for child in rest:
            if child._children and child not in visited:
                visited.add(child)
                stack.append((child, iter(child._children)))
                break  # to come back to v when child is done
        else:
            order.append(v)
            stack.pop()
    return order

def total(values):
    """The sum of Values as one node: [n] -> one. Its slope in each is 1."""
    values = tuple(values)
    data = sum([v.data for v in values])
    return Value(data, values, (1.0,) * len(values))

# %% Model
def setting(default, low, high, help=None):
    return field(default=default, metadata=dict(low=low, high=high, help=help))

@dataclass(frozen=True)
class Config:
    """Every setting of a run. Raises ValueError if one is out of its range."""
    n_embd: int = setting(16, 1, 9999, "numbers that stand for one token")
    n_head: int = setting(4, 1, 9999, "attention heads in a layer")
    n_layer: int = setting(1, 1, 9999, "layers of attention and MLP")
    block_size: int = setting(16, 1, 99999, "longest context, in tokens")
    init_std: float = setting(0.08, 1e-9, 1e9)  # spread of the first weights
    steps: int = setting(1000, 0, 10**9, "training steps, one document each")
    learning_rate: float = setting(0.01, 1e-9, 1e9, "first step's, falls to 0")
    beta1: float = setting(0.85, 0.0, 0.999999)  # Adam's memory of gradients
    beta2: float = setting(0.99, 0.0, 0.999999)  # and of their squares
    adam_eps: float = setting(1e-8, 1e-99, 1.0)  # keeps Adam from x / 0
    holdout: float = setting(0.0, 0.0, 0.99, "share of documents kept apart")
    samples: int = setting(20, 0, 10**9, "documents to invent")
    temperature: float = setting(0.5, 0.0, 1e9, "of sampling; 0: the likeliest")
    seed: int = setting(42, 0, 10**18, "what the random numbers start from")

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            low, high = f.metadata["low"], f.metadata["high"]
            if type(value) not in (int, f.type) or not low <= value <= high:
                kind = "whole number" if f.type is int else "number"
                raise ValueError(f"{f.name}={value!r:.80} must be a {kind} "
                                 f"from {low} to {high}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd={self.n_embd} must be a multiple of "
                             f"n_head={self.n_head}")

def param_shapes(config, vocab_size):
    """{name: (n_out, n_in)} of all matrices. Raises ValueError if too large."""
    n = config.n_embd
    shapes = {"wte": (vocab_size, n), "wpe": (config.block_size, n),
              "lm_head": (vocab_size, n)}
    for i in range(config.n_layer):
        for name in "qkvo":
            shapes[f"layer{i}.attn_w{name}"] = n, n
        shapes[f"layer{i}.mlp_fc1"] = 4 * n, n
        shapes[f"layer{i}.mlp_fc2"] = n, 4 * n
    count = sum([n_out * n_in for n_out, n_in in shapes.values()])
    if count > 10_000_000:  # some 2 GB
        raise ValueError(f"{count} parameters are more than 10000000: lower "
                         "n_embd, n_layer, block_size or the vocabulary")
    return shapes

def init_params(config, vocab_size, rng):
    """Random weights {name: [n_out][n_in] Values}, drawn in this order."""
    shapes = param_shapes(config, vocab_size)
    return {name: [tuple([Value(rng.gauss(0.0, config.init_std))
                          for _ in range(n_in)]) for _ in range(n_out)]
            for name, (n_out, n_in) in shapes.items()}

def flatten(params):
    """Every weight of params: -> [n_params]."""
    return [w for rows in params.values() for row in rows for w in row]

def linear(x, w):
    """Dot products: [tokens][n_in], [n_out][n_in] -> [tokens][n_out].
    Each is one node: its slope in a weight is the x beside it, and in an x
    the weight beside it. Raises ValueError if a row is too long or short."""
    require_length(len(x[0]), [*x, *w])
    weights = [(tuple(row), [v.data for v in row]) for row in w]
    out = []
    for row in map(tuple, x):
        data = [v.data for v in row]
        out.append([Value(sumprod(data, w_data), row + w_row, w_data + data)
                    for w_row, w_data in weights])
    return out

def add(x, y):
    """Sum, number by number: [tokens][n], [tokens][n] -> [tokens][n]."""
    require_length(len(x), [y])
    require_length(len(x[0]), [*x, *y])
    return [[a + b for a, b in zip(*rows)] for rows in zip(x, y)]

def shifted(logits):
    """logits less the largest of them: exp of a large number overflows."""
    shift = Value(-max([v.data for v in logits]))
    return [v + shift for v in logits]

def softmax(logits):
    """Probabilities in proportion to exp(logit): [n] -> [n]."""
    exps = [v.exp() for v in shifted(logits)]
    scale = total(exps) ** -1
    return [e * scale for e in exps]

def rmsnorm(row):
    """row over its root mean square: [n] -> [n]. Zhang and Sennrich, 2019."""
    [[square]] = linear([row], [row])
    scale = (square * (1 / len(row)) + 1e-5) ** -0.5  # row can be all zeros
    return [v * scale for v in row]

def attention(n_head, q, keys, values):
    """Mean of values, weighted by the softmax of q's scores with their keys,
    by each head for its own slice of the vectors:
    [n], [tokens][n], [tokens][n] -> [n]. Vaswani et al., 2017."""
    require_length(len(q), [*keys, *values])
    require_length(len(keys), [values])
    head_dim = len(q) // n_head
    require_length(n_head * head_dim, [q])
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
    require_length(len(fc1), fc2)
    out = []
    for row in linear(x, fc1):
        hidden = [v.relu() for v in row]
        on = [j for j, h in enumerate(hidden) if h.data != 0.0]  # nan stays
        fc2_on = [[w_row[j] for j in on] for w_row in fc2]  # 0 adds nothing
        out += linear([[hidden[j] for j in on]], fc2_on)
    return out

def gpt(config, params, token_ids, keys, values):
    """Logits of the token after each: [tokens] -> [tokens][vocab_size].
    keys and values, [n_layer][tokens][n_embd], are those of the tokens before
    these; their own are appended. Raises IndexError out of the tables.
    Radford et al., 2019."""
    if min(token_ids) < 0:  # Python would count from the end
        raise IndexError(f"token id {min(token_ids)} is negative")
    tokens = [params["wte"][i] for i in token_ids]
    before = len(keys[0])
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
    if target < 0:  # Python would count from the end
        raise IndexError(f"target {target} is negative")
    logits = shifted(logits)
    return total([v.exp() for v in logits]).log() - logits[target]

def document_loss(config, params, tokenizer, doc):
    """Mean of -log p(next token) over the first block_size tokens, in nats."""
    text = tokenizer.encode(doc[:config.block_size])
    tokens = [tokenizer.bos, *text, tokenizer.bos][:config.block_size + 1]
    keys, values = [[[] for _ in range(config.n_layer)] for _ in range(2)]
    logits = gpt(config, params, tokens[:-1], keys, values)
    losses = [cross_entropy(*pair) for pair in zip(logits, tokens[1:])]
    return total(losses) * (1 / len(losses))

class Run:
    """A model in training: all it takes to go on as if it had never stopped.
    It makes a tokenizer of its documents if it is not given one."""
    def __init__(self, config, docs, tokenizer=None):
        if isinstance(docs, str):
            raise TypeError("docs must be a list of documents, not a string")
        docs = list(docs)
        self.config = config
        self.step = 0
        self.rng = random.Random(config.seed)
        self.docs_crc = zlib.crc32("\n".join(docs).encode())  # a checksum
        self.rng.shuffle(docs)
        n_held_out = round(len(docs) * config.holdout)
        self.held_out = docs[:n_held_out]
        self.docs = docs[n_held_out:]
        self.tokenizer = tokenizer or Tokenizer(docs)
        self.params = init_params(config, self.tokenizer.vocab_size, self.rng)
        self.weights = flatten(self.params)
        self.m = [0.0] * len(self.weights)
        self.v = [0.0] * len(self.weights)

def train(run, report=None):
    """Take the steps of run that are left, a document each, with Adam.
    Calls report(step, loss) after each, the loss in nats a token, and ends if
    that returns something true. Raises ArithmeticError, with the weights of
    the step before, when training diverges. Kingma and Ba, 2014."""
    if not run.docs:
        raise ValueError("the run has no documents to train on")
    config, m, v = run.config, run.m, run.v
    beta1, beta2, eps = config.beta1, config.beta2, config.adam_eps
    new1, new2 = 1 - beta1, 1 - beta2
    for w in run.weights:
        w.grad = 0.0
    collecting = gc.isenabled()
    if sys.implementation.name == "cpython":
        gc.disable()  # graphs are freed by reference counts, its work is lost
    try:
        while run.step < config.steps:
            doc = run.docs[run.step % len(run.docs)]
            loss = document_loss(config, run.params, run.tokenizer, doc)
            if not math.exp(-loss.data) > 0.0:  # as likely as that, or nan
                raise ArithmeticError(f"the loss became {loss.data}")
            loss.backward()
            loss = loss.data  # frees the graph: the next one takes its place

            rate = config.learning_rate * (1 - run.step / config.steps)
            run.step += 1
            rate /= 1 - beta1 ** run.step  # m and v start at 0: undo that bias
            v_scale = 1 / (1 - beta2 ** run.step)
            for i, w in enumerate(run.weights):
                grad = w.grad
                w.grad = 0.0
                m[i] = mean = beta1 * m[i] + new1 * grad
                v[i] = square = beta2 * v[i] + new2 * grad * grad
                w.data -= rate * mean / (math.sqrt(square * v_scale) + eps)

            if report and report(run.step, loss):
                break
    finally:
        if collecting:
            gc.enable()

# %% Sampling
def encode_prompt(config, tokenizer, prompt):
    """Token ids of bos and prompt. Raises ValueError if no token can follow."""
    if len(prompt) >= config.block_size:
        raise ValueError(f"prompt of {len(prompt)} characters must be shorter "
                         f"than block_size={config.block_size}")
    return [tokenizer.bos, *tokenizer.encode(prompt)]

def generate(config, params, tokenizer, rng, prompt=""):
    """A new document that starts with prompt, at most block_size tokens long.
    Raises ArithmeticError if a probability is nan."""
    tokens = encode_prompt(config, tokenizer, prompt)
    keys, values = [[[] for _ in range(config.n_layer)] for _ in range(2)]
    temperature = config.temperature or 1e-300  # the likeliest is left alone
    new = tokens
    while len(tokens) <= config.block_size:
        logits = shifted(gpt(config, params, new, keys, values)[-1])
        probs = softmax([Value(v.data / temperature) for v in logits])
        weights = [p.data for p in probs]
        if not sum(weights) > 0.0:
            raise ArithmeticError("a probability became nan")
        new = rng.choices(range(tokenizer.vocab_size), weights=weights)
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

def load_docs(path=None):
    """Documents of a UTF-8 file, a line each without blanks, or the names.
    Raises OSError, or ValueError that says what is wrong with the text."""
    if path is None:
        return NAMES.split()
    with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
        data = file.read()
    if b"\0" in data or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{path!r} is UTF-16 or binary, not UTF-8 text")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path!r} is not UTF-8 text: see the byte at offset "
                         f"{error.start}") from None
    lines = text.replace("\r", "\n").split("\n")
    docs = [line.lstrip("\ufeff").strip() for line in lines]
    docs = [doc for doc in docs if doc]
    if not docs:
        raise ValueError(f"{path!r} has no text: give it a document a line")
    return docs

# %% Saving
def to_json(run):
    """run without its documents. Raises ValueError if a number is nan."""
    return json.dumps({
        "format": "microgpt model, version 1", "config": asdict(run.config),
        "vocabulary": run.tokenizer.chars, "docs_crc": run.docs_crc,
        "weights": [w.data for w in run.weights], "m": run.m, "v": run.v,
        "step": run.step, "rng": run.rng.getstate()},
        allow_nan=False, sort_keys=True)

def save(path, run):
    """Write run to path, whole or not at all. Raises OSError, ValueError."""
    path, text = os.path.realpath(path), to_json(run)  # a link stays a link
    with tempfile.TemporaryDirectory(
            prefix=".microgpt-", dir=os.path.dirname(path)) as folder:
        part = os.path.join(folder, "part")
        with open(part, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the name
        if os.path.exists(path):
            shutil.copymode(path, part)
        os.replace(part, path)

def load(path, docs=None):
    """The run that save wrote to path; to go on training it needs its docs.
    Raises OSError or ValueError."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{path!r} is not a regular file")
    try:
        with open(path, encoding="ascii") as file:
            data = json.load(file)
        config, chars = Config(**data["config"]), data["vocabulary"]
        shapes = param_shapes(config, len(chars) + 1).values()
        require_length(sum([n_out * n_in for n_out, n_in in shapes]),
                       [data["weights"], data["m"], data["v"]])
        run = Run(config, chars)
        run.docs_crc = int(data["docs_crc"])
        run.docs = run.held_out = []
        for i, w in enumerate(run.weights):
            w.data = float(data["weights"][i])
            run.m[i] = float(data["m"][i])
            run.v[i] = float(data["v"][i])
        run.step = int(data["step"])
        version, state, gauss = data["rng"]
        run.rng.setstate((version, tuple(state), gauss))
        if (to_json(run) != json.dumps(data, sort_keys=True) or min(run.v) < 0
                or not 0 <= run.step <= run.config.steps):
            raise ValueError("save would not have written this")
    except (ArithmeticError, AttributeError, LookupError, RecursionError,
            TypeError, ValueError) as error:
        raise ValueError(f"{path!r} is not a model saved by microgpt "
                         f"({type(error).__name__}: {error!s:.200})") from None
    if docs is not None:
        new = Run(config, docs, run.tokenizer)
        if (new.docs_crc != run.docs_crc
                or not set().union(*docs).issubset(chars)):
            raise ValueError(f"{path!r} can only go on with the FILE that it "
                             "was trained on")
        run.docs, run.held_out = new.docs, new.held_out
    return run

# %% Command line
def printable(text):
    """text without what can harm a terminal (control characters, changes of
    direction, lone surrogates) or cannot be encoded: these are escaped."""
    text = re.sub("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]",
                  lambda match: ascii(match[0])[1:-1], text)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)

def say(text, end="\n"):
    """Print at once, or nothing if stdout was closed. Raises OSError."""
    with contextlib.suppress(ValueError):
        print(text, end=end, flush=True)

def complain(error):
    """Say on stderr, in one line, what is wrong, if anybody can hear it."""
    with contextlib.suppress(OSError, ValueError):
        print(f"microgpt: {printable(str(error))}", file=sys.stderr)

def parse(argv):
    """The options in argv; settings of Config only where they are given.
    Raises ValueError, or SystemExit when the help is printed."""
    def refuse(message):
        raise ValueError(message)

    parser = argparse.ArgumentParser("microgpt.py", allow_abbrev=False,
        description="Train a GPT on lines of text, then let it invent more.")
    parser.error = refuse  # its own would print all options too
    add = parser.add_argument
    add("file", metavar="FILE", nargs="?", help="UTF-8 text, a document a "
        "line; - is standard input (default: a thousand first names)")
    for f in fields(Config):
        if f.metadata["help"]:
            add("--" + f.name.replace("_", "-"), type=f.type, metavar="N",
                help=f"{f.metadata['help']} (default: {f.default})",
                default=argparse.SUPPRESS)
    add("--prompt", metavar="TEXT", default="",
        help="what each sample begins with (default: nothing)")
    add("--save", metavar="MODEL", help="write the model there (default: no)")
    add = parser.add_mutually_exclusive_group().add_argument
    add("--load", metavar="MODEL", help="sample from a saved model; with its "
        "FILE or --steps, finish its training first")
    add("--init", metavar="MODEL", help="start a new training with the weights "
        "of a saved model")
    return parser.parse_args([  # --n_embd is --n-embd
        re.sub("^--[^=]+", lambda match: match[0].replace("_", "-"), arg)
        for arg in argv])

def prepare(options):
    """The run that options ask for. Raises OSError or ValueError at all that
    can be refused before work begins."""
    given = {k: v for k, v in vars(options).items() if hasattr(Config, k)}

    def require(model, names):
        for name in names:
            kept = getattr(model.config, name)
            if given.get(name, kept) != kept:
                raise ValueError(f"{name}={given[name]} contradicts {name}="
                                 f"{kept} in {options.load or options.init!r}")

    if options.load is not None:
        go_on = options.file is not None or "steps" in given
        run = load(options.load, load_docs(options.file) if go_on else None)
        if "seed" in given and not go_on:  # other samples
            run.rng = random.Random(given.pop("seed"))
        require(run, sorted(given.keys() - {"samples", "temperature"}))
        run.config = replace(run.config, **given)
    elif options.init is not None:
        model = load(options.init)
        sizes = "n_embd", "n_head", "n_layer", "block_size"
        require(model, sizes)
        for name in sizes:
            given[name] = getattr(model.config, name)
        docs = load_docs(options.file)
        model.tokenizer.encode(sorted(set().union(*docs)))
        run = Run(Config(**given), docs, model.tokenizer)
        for w, known in zip(run.weights, model.weights):
            w.data = known.data
    else:
        run = Run(Config(**given), load_docs(options.file))

    if run.config.holdout and bool(run.docs) != bool(run.held_out):
        raise ValueError(f"holdout={run.config.holdout} of these documents is "
                         "none or all of them")
    encode_prompt(run.config, run.tokenizer, options.prompt)
    if options.save is not None:
        path = os.path.realpath(options.save)  # which save replaces
        if (not os.path.basename(options.save)
                or not os.access(os.path.dirname(path), os.W_OK)
                or os.path.exists(path) != os.path.exists(options.save)):
            raise ValueError(f"{options.save!r} cannot be written")
        if os.path.exists(options.save):
            if not os.stat(options.save).st_mode & 0o222:
                raise ValueError(f"{options.save!r} is read-only")
            try:
                load(options.save)
            except ValueError as error:
                raise ValueError(f"will not be overwritten: {error}") from None
    return run

def keep(run, path):
    """Save run to path, if there is one -> False after saying why it failed."""
    try:
        if path is not None:
            save(path, run)
        return True
    except (OSError, ValueError) as error:
        complain(f"{path}: {getattr(error, 'strerror', None) or error}")
        return False

def learn(run, path):
    """Train run, show how it goes, and save it at each tenth and at the end.
    -> the signal that ended training or 0, and whether run was saved."""
    config, first, start = run.config, run.step + 1, time.perf_counter()
    try:
        live = sys.stdout.isatty() and os.isatty(sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):
        live = False  # a stand-in for stdout
    extra = ""
    ended_by = 0
    saved = True

    def end(signum, frame):
        nonlocal ended_by
        ended_by = signum
        signal.signal(signum, previous[signum])  # a second one acts as ever

    def report(step, loss):
        nonlocal extra, saved
        tenth = step * 10 % config.steps < 10
        if run.held_out and (tenth or step == first):
            losses = [document_loss(config, run.params, run.tokenizer, doc).data
                      for doc in run.held_out]
            extra = f" | held-out {sum(losses) / len(losses):.4f}"
        line = f"step {step:4d} / {config.steps:4d} | loss {loss:.4f}{extra}"
        try:
            if live:
                pace = (time.perf_counter() - start) / (step - first + 1)
                line += (f" | {1 / pace:.1f} steps/s"
                         f" | {(config.steps - step) * pace:.0f} s left")
                width = shutil.get_terminal_size().columns - 1
                say("\r" + line[:width].ljust(width), end="")
            elif tenth or step == first:
                say(line)
        except OSError:
            return True  # nobody reads on
        if tenth and step < config.steps and saved:
            saved = keep(run, path)  # a power cut costs a tenth
        return ended_by

    signums = [signal.SIGINT]
    if path is not None:  # from a scheduler, and from a closed terminal
        signums += [signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)]
    if threading.current_thread() is not threading.main_thread():
        signums = []  # Python lets no other thread handle them
    previous = {signum: signal.getsignal(signum) for signum in signums}
    docs = run.docs + run.held_out
    cut = sum([len(doc) >= config.block_size for doc in docs])
    try:
        for signum, handler in previous.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(signum, end)
        say(f"documents {len(docs)} ({len(run.held_out)} held out, {cut} cut "
            f"to {config.block_size} tokens) | vocabulary "
            f"{run.tokenizer.vocab_size} | parameters {len(run.weights)}")
        train(run, report)
        saved = keep(run, path)
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
        with contextlib.suppress(OSError):  # the terminal may be gone
            if live and run.step >= first:
                say("")  # leave the live line
    with contextlib.suppress(OSError):
        if run.step < config.steps:
            say(f"stopped after step {run.step} of {config.steps}")
    return ended_by, saved

def work(argv, names):
    """Do what argv asks for -> an exit status. Raises what ends it early."""
    try:
        options = parse(argv)
        names["run"] = run = prepare(options)
    except (OSError, ValueError) as error:
        complain(error)
        return 2
    config, first = run.config, run.step
    known = {*run.docs, *run.held_out}
    n_known = 0
    try:
        if run.docs:
            ended_by, saved = learn(run, options.save)
            if ended_by not in (0, signal.SIGINT):
                return 128 + ended_by if saved else 1  # as shells say it
        else:
            saved = keep(run, options.save)
        for i in range(1, config.samples + 1):
            text = generate(config, run.params, run.tokenizer, run.rng,
                            options.prompt)
            n_known += text in known
            say(f"sample {i:2d}: {printable(text)}")
    except ArithmeticError as error:
        if run.step > first:
            complain(f"training diverged after step {run.step}: {error}; "
                     f"lower learning_rate={config.learning_rate}")
        else:
            model = options.load or options.init or "the model"
            complain(f"{model} has weights out of range: {error}")
        return 1
    if known and config.samples:
        say(f"word for word in the documents: {n_known} of {config.samples}")
    return 0 if saved else 1

def main(argv, names=None):
    """Do what the command line argv asks for -> an exit status.
    The model is left in names, a dict, as "run"."""
    status = 0
    try:
        try:
            status = work(argv, {} if names is None else names)
        finally:
            say("", end="")
        return status
    except SystemExit as error:
        return error.code  # the help was asked for
    except KeyboardInterrupt:
        return 130
    except MemoryError:
        complain("out of memory")
        return 1
    except OSError as error:  # as with | head -3, or on a full disk
        if not isinstance(error, BrokenPipeError):
            status = status or 1
            complain(f"output: {error.strerror}")
        # or Python would try, and complain, once more
        with contextlib.suppress(AttributeError, OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status

if __name__ == "__main__":
    # a notebook has no __file__, or a name of its own; its argv is not ours
    script = "__file__" in globals() and not (
        {"get_ipython", "__marimo__"} & globals().keys())
    status = main(sys.argv[1:] if script else [], globals())
    if script and not sys.flags.inspect:
        sys.exit(status)
