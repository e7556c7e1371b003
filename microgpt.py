"""microgpt: a whole GPT in one file of plain Python, from autograd to samples.

    python microgpt.py            learn the names below, then invent twenty more
    python microgpt.py FILE       learn your own text, one document a line
    python microgpt.py --help     every setting with its unit and its default

Nothing to install and no network. Each `# %%` cell needs only the cells above
it, so the file can be read, run or pasted into a notebook from top to bottom.

Short names:  x         the residual stream: n_embd numbers, one token's state
              w         a weight, or a matrix of them, [n_out][n_in]
              q, k, v   the query, key and value vectors of attention
              wte, wpe  the tables of token and position embeddings
              m, v      Adam's running means of the gradient and of its square
              bos       the token that marks where a document begins and ends
              rng       a random.Random, the only source of chance

After Andrej Karpathy's microgpt (2026), whose published run it reproduces.
"""
import argparse, gc, io, json, math, os, random, shutil, signal, sys, time, zlib
from dataclasses import asdict, dataclass, field, fields, replace
from operator import mul

# %% Tokenizer

class Tokenizer:
    """Text to token ids and back: a token is one character, or `bos`.

    >>> tokenizer = Tokenizer(["emma", "ava"])
    >>> tokenizer.encode("mave"), tokenizer.bos, tokenizer.vocab_size
    ([2, 0, 3, 1], 4, 5)
    >>> tokenizer.decode([2, 0, 3, 1])
    'mave'
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
        """The text of token ids, none of them bos."""
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
        return Value(self.data * other.data, (self, other),
                     (other.data, self.data))

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
            if grad:  # a neuron that relu shut off has nothing to pass on
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
    stack = [(root, iter(root._children))]  # Python's own is too shallow
    while stack:
        v, rest = stack[-1]
        for child in rest:
            if child not in visited:
                visited.add(child)
                if not visited.issuperset(child._children):
                    stack.append((child, iter(child._children)))
                    break  # to come back to v when child is done
                if child._children:
                    order.append(child)
        else:
            stack.pop()
            if v._children:
                order.append(v)
    return order

def total(values):
    """The sum of Values as one node: [n] -> one. Its slope in each is 1."""
    data = sum([v.data for v in values])
    return Value(data, tuple(values), (1.0,) * len(values))

# %% Model

def setting(default, low, high, meaning=None):
    return field(default=default,
                 metadata={"low": low, "high": high, "meaning": meaning})

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
    temperature: float = setting(0.5, 1e-9, 1e9, "of sampling; 1 is as learned")
    seed: int = setting(42, 0, 10**18, "what the random numbers start from")

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            low, high, _ = f.metadata.values()
            if type(value) not in (int, f.type) or not low <= value <= high:
                whole = "whole " * (f.type is int)
                raise ValueError(f"{f.name}={value!r} must be a {whole}number "
                                 f"from {low} to {high}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd={self.n_embd} must be a multiple of "
                             f"n_head={self.n_head}")

def init_params(config, vocab_size, rng):
    """Random weights {name: [n_out][n_in] Values}, drawn in this order."""
    n = config.n_embd
    count = (2 * vocab_size + config.block_size + 12 * n * config.n_layer) * n
    if count > 10_000_000:  # some 2 GB
        raise ValueError(f"{count} parameters are more than 10000000: lower "
                         "n_embd, n_layer, block_size or the vocabulary")
    def matrix(n_out, n_in):
        return [tuple([Value(rng.gauss(0.0, config.init_std))
                       for _ in range(n_in)]) for _ in range(n_out)]
    params = {"wte": matrix(vocab_size, n), "wpe": matrix(config.block_size, n),
              "lm_head": matrix(vocab_size, n)}
    for layer in range(config.n_layer):
        for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
            params[f"layer{layer}.{name}"] = matrix(n, n)
        params[f"layer{layer}.mlp_fc1"] = matrix(4 * n, n)
        params[f"layer{layer}.mlp_fc2"] = matrix(n, 4 * n)
    return params

def flatten(params):
    """Every weight of params: -> [n_params]."""
    return [w for rows in params.values() for row in rows for w in row]

def linear(x, w):
    """Dot product of x with each row of w: [n_in], [n_out][n_in] -> [n_out].

    Each is one node. Its slope in a weight is the x beside it, and in an x
    the weight beside it. Raises ValueError if a row is not as long as x.
    """
    x = tuple(x)
    x_data = [v.data for v in x]
    out = []
    for row in w:
        if len(row) != len(x):
            raise ValueError(f"{len(row)} weights for {len(x)} inputs")
        row_data = [v.data for v in row]
        out.append(Value(sum(map(mul, row_data, x_data)),
                         tuple(row) + x, x_data + row_data))
    return out

def softmax(logits, temperature=1.0):
    """Probabilities in proportion to exp(logit / temperature): [n] -> [n]."""
    top = max([v.data for v in logits])  # exp of a large number overflows
    exps = []
    for v in logits:
        e = math.exp((v.data - top) / temperature)
        exps.append(Value(e, (v,), (e / temperature,)))
    scale = total(exps) ** -1
    return [e * scale for e in exps]

def rmsnorm(x):
    """x over its root mean square: [n] -> [n]. Zhang and Sennrich, 2019."""
    [square] = linear(x, [x])
    scale = (square / len(x) + 1e-5) ** -0.5  # 1e-5: x can be all zeros
    return [v * scale for v in x]

def gpt(config, params, token_id, pos_id, keys, values):
    """Logits of the next token: ids -> [vocab_size]. Radford et al., 2019.

    keys and values, [n_layer][pos_id][n_embd], are those of the tokens before
    this one; its own are appended. Raises IndexError out of the tables.
    """
    if token_id < 0 or pos_id < 0:  # Python would count from the end
        raise IndexError(f"{token_id=} and {pos_id=} must be at least 0")
    x = [a + b for a, b in zip(params["wte"][token_id], params["wpe"][pos_id])]
    x = rmsnorm(x)
    head_dim = config.n_embd // config.n_head
    for layer in range(config.n_layer):
        wq, wk, wv, wo, fc1, fc2 = [params[f"layer{layer}.{name}"] for name in (
            "attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2")]
        normed = rmsnorm(x)  # attention: gather from this token and earlier
        q = linear(normed, wq)
        keys[layer].append(linear(normed, wk))
        values[layer].append(linear(normed, wv))
        mixed = []
        for start in range(0, config.n_embd, head_dim):
            head = slice(start, start + head_dim)
            scores = linear(q[head], [k[head] for k in keys[layer]])
            probs = softmax(scores, temperature=head_dim ** 0.5)
            mixed += linear(probs, zip(*[v[head] for v in values[layer]]))
        x = [a + b for a, b in zip(x, linear(mixed, wo))]
        hidden = [h.relu() for h in linear(rmsnorm(x), fc1)]  # MLP
        on = [i for i, h in enumerate(hidden) if h.data != 0.0]
        fc2 = [[row[i] for i in on] for row in fc2]  # without zeros 10% faster
        out = linear([hidden[i] for i in on], fc2)
        x = [a + b for a, b in zip(x, out)]
    return linear(x, params["lm_head"])

# %% Training

def document_loss(config, params, tokenizer, doc):
    """Mean of -log p(next token) over the first block_size tokens, in nats.

    Raises ArithmeticError where a probability is 0 or nan.
    """
    text = tokenizer.encode(doc[:config.block_size])
    tokens = [tokenizer.bos, *text, tokenizer.bos]
    keys, values = [[[] for _ in range(config.n_layer)] for _ in range(2)]
    losses = []
    for pos_id in range(min(config.block_size, len(tokens) - 1)):
        logits = gpt(config, params, tokens[pos_id], pos_id, keys, values)
        prob = softmax(logits)[tokens[pos_id + 1]]
        if not prob.data > 0.0:
            raise ArithmeticError(f"a probability became {prob.data}")
        losses.append(-prob.log())
    return total(losses) / len(losses)

@dataclass
class Adam:
    """The optimizer's memory: running means of each gradient, steps taken."""
    m: list = field(default_factory=list)
    v: list = field(default_factory=list)
    step: int = 0

def train(config, params, tokenizer, docs, adam=None, report=None):
    """Train params, a document a step, until config.steps are done -> Adam.

    Calls report(step, loss) after each, the loss in nats a token. Raises
    ArithmeticError, weights unchanged, where one diverges. Kingma, Ba 2014.
    """
    weights, adam = flatten(params), adam or Adam()
    if not adam.m:
        adam.m, adam.v = [0.0] * len(weights), [0.0] * len(weights)
    m, v, beta1, beta2 = adam.m, adam.v, config.beta1, config.beta2
    for w in weights:
        w.grad = 0.0
    # CPython's reference counts free each graph, and its collector only costs
    # time. PyPy has nothing but a collector.
    hold_off = gc.isenabled() and sys.implementation.name == "cpython"
    if hold_off:
        gc.disable()
    try:
        while adam.step < config.steps:
            rate = config.learning_rate * (1 - adam.step / config.steps)
            doc = docs[adam.step % len(docs)]
            loss = document_loss(config, params, tokenizer, doc)
            loss.backward()
            step = adam.step + 1
            rate /= 1 - beta1 ** step  # m and v start at 0: undo that bias
            v_scale = 1 / (1 - beta2 ** step)
            for i, w in enumerate(weights):
                grad, w.grad = w.grad, 0.0
                m[i] = beta1 * m[i] + (1 - beta1) * grad
                v[i] = beta2 * v[i] + (1 - beta2) * grad * grad
                root = math.sqrt(v[i] * v_scale)
                w.data -= rate * m[i] / (root + config.adam_eps)
            adam.step = step
            if report:
                report(step, loss.data)
    finally:
        if hold_off:
            gc.enable()
    return adam

# %% Sampling

def encode_prompt(config, tokenizer, prompt):
    """Token ids of bos and prompt. Raises ValueError if no token can follow."""
    if len(prompt) >= config.block_size:
        raise ValueError(f"prompt of {len(prompt)} characters must be shorter "
                         f"than block_size={config.block_size}")
    return [tokenizer.bos, *tokenizer.encode(prompt)]

def generate(config, params, tokenizer, rng, prompt=""):
    """A new document that starts with prompt, at most block_size tokens long.

    Raises ArithmeticError if a probability is nan.
    """
    tokens = encode_prompt(config, tokenizer, prompt)
    keys, values = [[[] for _ in range(config.n_layer)] for _ in range(2)]
    for pos_id in range(config.block_size):
        logits = gpt(config, params, tokens[pos_id], pos_id, keys, values)
        if pos_id + 1 < len(tokens):
            continue  # still reading the prompt
        probs = [p.data for p in softmax(logits, config.temperature)]
        if not sum(probs) > 0.0:
            raise ArithmeticError("a probability became nan")
        [token_id] = rng.choices(range(tokenizer.vocab_size), weights=probs)
        if token_id == tokenizer.bos:
            break
        tokens.append(token_id)
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

    Raises OSError, or ValueError that says what is wrong with the text.
    """
    if path is None:
        return NAMES.split()
    with open(path, "rb") as file:
        data = file.read()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path!r} is not UTF-8 text: see the byte at offset "
                         f"{error.start}") from None
    lines = io.StringIO(text.lstrip("\ufeff"), newline=None)
    docs = [line.strip() for line in lines if line.strip()]
    if not docs:
        raise ValueError(f"{path!r} has no text: give it a document a line")
    return docs

# %% Saving

FORMAT = "microgpt model, version 1"

@dataclass
class Run:
    """All it takes to sample, or to go on training as if never stopped."""
    config: Config
    tokenizer: Tokenizer
    params: dict
    adam: Adam
    rng: random.Random
    docs_crc: int  # checksum of the documents trained on

def save(path, run):
    """Write run to path as JSON, whole or not at all. Raises OSError."""
    text = json.dumps({
        "format": FORMAT, "config": asdict(run.config),
        "vocabulary": run.tokenizer.chars, "docs_crc": run.docs_crc,
        "weights": [w.data for w in flatten(run.params)],
        "adam": asdict(run.adam), "rng": run.rng.getstate()}, allow_nan=False)
    path = os.path.realpath(path)  # a link stays a link
    part = os.path.join(os.path.dirname(path), f".microgpt-{os.getpid()}.part")
    try:
        with open(part, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the name
        if os.path.exists(path):
            shutil.copymode(path, part)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)

def load(path):
    """The Run in a file that save wrote. Raises OSError or ValueError."""
    try:
        with open(path, encoding="ascii") as file:
            data = json.load(file)
        config, chars = Config(**data["config"]), data["vocabulary"]
        tokenizer, adam = Tokenizer(chars), Adam(**data["adam"])
        if (data["format"] != FORMAT or asdict(config) != data["config"]
                or tokenizer.chars != chars or type(adam.step) is not int
                or not 0 <= adam.step <= config.steps):
            raise ValueError("format, config, vocabulary or step is not right")
        params = init_params(config, tokenizer.vocab_size, random.Random(0))
        weights = flatten(params)
        for numbers in (data["weights"], adam.m, adam.v):
            if len(numbers) != len(weights) or not all([
                    type(x) is float and math.isfinite(x) for x in numbers]):
                raise ValueError(f"it needs {len(weights)} finite numbers")
        if min(adam.v) < 0.0:
            raise ValueError("a mean of squares is negative")
        for w, number in zip(weights, data["weights"]):
            w.data = number
        rng, (version, state, gauss) = random.Random(), data["rng"]
        rng.setstate((version, tuple(state), gauss))
        if type(data["docs_crc"]) is not int or type(gauss) not in (
                float, type(None)):
            raise ValueError("checksum or state of chance is not right")
        return Run(config, tokenizer, params, adam, rng, data["docs_crc"])
    except (ArithmeticError, AttributeError, LookupError, RecursionError,
            TypeError, ValueError) as error:
        raise ValueError(f"{path!r} is not a model saved by microgpt "
                         f"({type(error).__name__}: {error})") from None

# %% Command line

def printable(text):
    """text with control characters escaped, and what stdout cannot encode."""
    text = "".join([c if c.isprintable() else ascii(c)[1:-1] for c in text])
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)

def fail(error, status):
    """Say on stderr, in one line, what is wrong -> status."""
    if isinstance(error, OSError):
        error = f"{error.filename!r}: {error.strerror}"
    if sys.stderr:  # print would turn to stdout
        print(f"microgpt: {printable(str(error))}", file=sys.stderr)
    return status

class Parser(argparse.ArgumentParser):
    def error(self, message):  # argparse itself would print all options too
        sys.exit(fail(f"{message}; see --help", 2))

def parse(argv):
    """The options in argv; settings of Config only where they are given."""
    parser = Parser("microgpt.py", allow_abbrev=False, description="Train a "
                    "GPT on lines of text, then let it invent more of them.")
    parser.add_argument("file", metavar="FILE", nargs="?", help="UTF-8 text, a "
                        "document a line (default: a thousand first names)")
    for f in fields(Config):
        if f.metadata["meaning"]:
            parser.add_argument(
                "--" + f.name.replace("_", "-"), type=f.type, metavar="N",
                default=argparse.SUPPRESS,
                help=f"{f.metadata['meaning']} (default: {f.default})")
    parser.add_argument("--prompt", metavar="TEXT", default="",
                        help="what each sample begins with (default: nothing)")
    parser.add_argument("--save", metavar="FILE",
                        help="write the trained model to FILE (default: no)")
    parser.add_argument("--load", metavar="FILE", help="sample from the model "
                        "in FILE; with --steps, finish its training first")
    return parser.parse_args(argv)

def check_target(path):
    """Raise ValueError if save could not write path or would spoil a file."""
    if os.path.exists(path) or not os.path.basename(path):
        if not os.path.isfile(path):
            raise ValueError(f"{path!r} is not a file to save to")
        with open(path, "rb") as file:
            start = file.read(99)
        if start and FORMAT.encode() not in start:
            raise ValueError(f"{path!r} is not a saved model: it is left alone")
    if not os.access(os.path.dirname(os.path.realpath(path)), os.W_OK):
        raise ValueError(f"{path!r} is in no folder that can be written to")

def prepare(options):
    """Refuse what can be refused -> run, documents to train on, held out."""
    given = {f.name: getattr(options, f.name) for f in fields(Config)
             if hasattr(options, f.name)}
    run, docs, n_held_out = None, [], 0
    if options.load is not None:
        run = load(options.load)
        for name, value in given.items():
            kept = getattr(run.config, name)
            if value != kept and name not in ("samples", "temperature"):
                raise ValueError(f"{name}={value} contradicts {name}={kept} "
                                 f"in {options.load!r}")
        run.config = replace(run.config, **given)
    config = run.config if run else Config(**given)
    if not run or "steps" in given:
        docs = load_docs(options.file)
        docs_crc = zlib.crc32("\n".join(docs).encode())
        rng = random.Random(config.seed)
        rng.shuffle(docs)
        n_held_out = round(len(docs) * config.holdout)
        if config.holdout and not 0 < n_held_out < len(docs):
            raise ValueError(f"holdout={config.holdout} of {len(docs)} "
                             "documents is none or all of them")
        if run and docs_crc != run.docs_crc:
            raise ValueError(f"{options.load!r} was trained on other documents")
        if not run:
            tokenizer = Tokenizer(docs)
            params = init_params(config, tokenizer.vocab_size, rng)
            run = Run(config, tokenizer, params, Adam(), rng, docs_crc)
    elif options.file:
        raise ValueError(f"FILE beside --load needs --steps {config.steps}")
    encode_prompt(config, run.tokenizer, options.prompt)
    if options.save is not None:
        check_target(options.save)
    return run, docs[n_held_out:], docs[:n_held_out]

def learn(run, docs, held_out):
    """Train and show how it goes; Ctrl-C ends training after its step."""
    config, first, start = run.config, run.adam.step + 1, time.monotonic()
    live, extra, stop = sys.stdout and sys.stdout.isatty(), "", []

    def interrupt(signum, frame):
        stop.append(signum)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the second

    def report(step, loss):
        nonlocal extra
        tenth = step * 10 // config.steps > (step - 1) * 10 // config.steps
        tenth = tenth or step == first
        if held_out and tenth:
            losses = [document_loss(config, run.params, run.tokenizer, doc).data
                      for doc in held_out]
            extra = f" | held-out {sum(losses) / len(losses):.4f}"
        line = f"step {step:4d} / {config.steps:4d} | loss {loss:.4f}{extra}"
        if live:
            speed = (step - first + 1) / (time.monotonic() - start)
            left = int((config.steps - step) / speed)
            line += (f" | {speed:.1f} steps/s | "
                     f"{left // 60}:{left % 60:02d} left")
            width = shutil.get_terminal_size().columns - 1
            print("\r" + line[:width].ljust(width), end="", flush=True)
        elif tenth:
            print(line, flush=True)
        if stop:
            raise StopIteration

    previous, ending = signal.signal(signal.SIGINT, interrupt), ""
    if previous is signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGINT, previous)
    try:
        train(config, run.params, run.tokenizer, docs, run.adam, report)
    except StopIteration:
        ending = f"stopped after step {run.adam.step} of {config.steps}\n"
    finally:
        signal.signal(signal.SIGINT, previous)
        if live and run.adam.step >= first:
            print()  # leave the live line
    print(ending, end="")
    if not all([math.isfinite(w.data) for w in flatten(run.params)]):
        raise ArithmeticError("a weight is not finite")

def main(argv):
    """Run the command line argv -> exit status."""
    status = 0
    try:
        options = parse(argv)
        try:
            run, docs, held_out = prepare(options)
        except (OSError, ValueError) as error:
            return fail(error, 2)
        config = run.config
        if docs:
            print(f"documents {len(docs)}", end=" | ")
            if held_out:
                print(f"held out {len(held_out)}", end=" | ")
        print(f"vocabulary {run.tokenizer.vocab_size} | "
              f"parameters {len(flatten(run.params))}")
        cut = sum([len(doc) >= config.block_size for doc in docs])
        if cut:
            print(f"documents cut to block_size={config.block_size} tokens, "
                  f"end mark included: {cut}")
        if docs:
            learn(run, docs, held_out)
        if options.save is not None:
            try:
                save(options.save, run)
            except OSError as error:
                status = fail(f"{options.save!r}: {error.strerror}", 1)
        for i in range(1, config.samples + 1):
            text = generate(config, run.params, run.tokenizer, run.rng,
                            options.prompt)
            print(f"sample {i:2d}: {printable(text)}", flush=True)
    except ArithmeticError as error:
        status = fail(f"training diverged after step {run.adam.step}: {error}; "
                      f"lower learning_rate={config.learning_rate}", 1)
    except KeyboardInterrupt:
        status = 130  # what shells call a program ended by Ctrl-C
    except OSError as error:  # nobody reads on, as with | head -3, or disk full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            status = fail(f"output: {error.strerror}", 1)
    return status

if __name__ == "__main__":
    if "__file__" in globals() and "get_ipython" not in globals():
        sys.exit(main(sys.argv[1:]))
    main([])  # in a notebook sys.argv is the kernel's
