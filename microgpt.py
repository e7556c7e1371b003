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
              v         anywhere else: some Value
              bos       the token that marks where a document begins and ends
              rng       a random.Random, the only source of chance

After Andrej Karpathy's microgpt (2026), whose published run it reproduces.
"""
import argparse, gc, json, math, os, random, shutil, signal, sys, time, zlib
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
            if child not in visited:
                visited.add(child)
                if child._children:
                    if not visited.issuperset(child._children):
                        stack.append((child, iter(child._children)))
                        break  # to come back to v when child is done
                    order.append(child)
        else:
            order.append(v)
            stack.pop()
    return order

def total(values):
    """The sum of Values as one node: [n] -> one. Its slope in each is 1."""
    data = sum([v.data for v in values])
    return Value(data, tuple(values), (1.0,) * len(values))

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
    temperature: float = setting(0.5, 1e-9, 1e9, "of sampling; 1 is as learned")
    seed: int = setting(42, 0, 10**18, "what the random numbers start from")

    def __post_init__(self):
        for f in fields(self):
            value, (low, high, _) = getattr(self, f.name), f.metadata.values()
            if type(value) not in (int, f.type) or not low <= value <= high:
                kind = "whole number" if f.type is int else "number"
                raise ValueError(f"{f.name}={value!r} must be a {kind} "
                                 f"from {low} to {high}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd={self.n_embd} must be a multiple of "
                             f"n_head={self.n_head}")

def init_params(config, vocab_size, rng):
    """Random weights {name: [n_out][n_in] Values}, drawn in this order."""
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
    return {name: [tuple([Value(rng.gauss(0.0, config.init_std))
                          for _ in range(n_in)]) for _ in range(n_out)]
            for name, (n_out, n_in) in shapes.items()}

def flatten(params):
    """Every weight of params: -> [n_params]."""
    return [w for rows in params.values() for row in rows for w in row]

def linear(x, w):
    """Dot product of x with each row of w: [n_in], [n_out][n_in] -> [n_out].
    Each is one node: its slope in a weight is the x beside it, and in an x
    the weight beside it. Raises ValueError if a row is not as long as x."""
    x, out = tuple(x), []
    x_data = [v.data for v in x]
    for row in w:
        if len(row) != len(x):
            raise ValueError(f"{len(row)} weights for {len(x)} inputs")
        row_data = [v.data for v in row]
        out.append(Value(sumprod(row_data, x_data),
                         tuple(row) + x, x_data + row_data))
    return out

def softmax(logits, temperature=1.0):
    """Probabilities in proportion to exp(logit / temperature): [n] -> [n].
    On plain numbers: attention and cross_entropy know its slopes."""
    top = max(logits)  # exp of a large number overflows
    exps = [math.exp((logit - top) / temperature) for logit in logits]
    scale = sum(exps)
    return [e / scale for e in exps]

def rmsnorm(x):
    """x over its root mean square: [n] -> [n]. Zhang and Sennrich, 2019.
    The scale is one node: its slope in an x is -scale ** 3 * x / n."""
    data = [v.data for v in x]
    scale = (sumprod(data, data) / len(x) + 1e-5) ** -0.5  # x can be all zeros
    slope = -scale ** 3 / len(x)
    node = Value(scale, tuple(x), [slope * d for d in data])
    return [v * node for v in x]

def attention(q, keys, values):
    """Mean of values, weighted by the softmax of q's scores with their keys:
    [n], [tokens][n], [tokens][n] -> [n]. Vaswani et al., 2017.
    Each of the n is one node: its slope in a value is the probability p of its
    token, and in a score p * (value - mean) / temperature."""
    scores, temperature = tuple(linear(q, keys)), len(q) ** 0.5
    probs, out = softmax([v.data for v in scores], temperature), []
    for column in zip(*values):
        data = [v.data for v in column]
        mean = sumprod(probs, data)
        slopes = [p * (d - mean) / temperature for p, d in zip(probs, data)]
        out.append(Value(mean, scores + column, slopes + probs))
    return out

def gpt(config, params, token_id, pos_id, keys, values):
    """Logits of the next token: ids -> [vocab_size]. Radford et al., 2019.
    keys and values, [n_layer][pos_id][n_embd], are those of the tokens before
    this one; its own are appended. Raises IndexError out of the tables."""
    if token_id < 0 or pos_id < 0:  # Python would count from the end
        raise IndexError(f"{token_id=} and {pos_id=} must be at least 0")
    x = [a + b for a, b in zip(params["wte"][token_id], params["wpe"][pos_id])]
    x = rmsnorm(x)
    head_dim = config.n_embd // config.n_head
    for i in range(config.n_layer):
        normed = rmsnorm(x)  # attention: gather from this token and earlier
        q = linear(normed, params[f"layer{i}.attn_wq"])
        keys[i].append(linear(normed, params[f"layer{i}.attn_wk"]))
        values[i].append(linear(normed, params[f"layer{i}.attn_wv"]))
        mixed = []
        for start in range(0, config.n_embd, head_dim):
            head = slice(start, start + head_dim)
            mixed += attention(q[head], [k[head] for k in keys[i]],
                               [v[head] for v in values[i]])
        out = linear(mixed, params[f"layer{i}.attn_wo"])
        x = [a + b for a, b in zip(x, out)]
        out = linear(rmsnorm(x), params[f"layer{i}.mlp_fc1"])  # MLP
        # relu: what is not above 0 is left out, with its column; nan is kept
        on = [j for j, h in enumerate(out) if not h.data <= 0.0]
        fc2 = [[row[j] for j in on] for row in params[f"layer{i}.mlp_fc2"]]
        x = [a + b for a, b in zip(x, linear([out[j] for j in on], fc2))]
    return linear(x, params["lm_head"])

# %% Training
def cross_entropy(logits, target):
    """-log of the probability that logits give to target, in nats: [n] -> one.
    One node: its slope in a logit is the probability, less 1 at the target.
    Raises ArithmeticError if the probability is 0 or nan."""
    slopes = softmax([v.data for v in logits])
    prob = slopes[target]
    if not prob > 0.0:
        raise ArithmeticError(f"a probability became {prob}")
    slopes[target] -= 1.0
    return Value(-math.log(prob), tuple(logits), slopes)

def document_loss(config, params, tokenizer, doc):
    """Mean of -log p(next token) over the first block_size tokens, in nats.
    Raises ArithmeticError where a probability is 0 or nan."""
    text = tokenizer.encode(doc[:config.block_size])
    tokens = [tokenizer.bos, *text, tokenizer.bos][:config.block_size + 1]
    keys, values = [[[] for _ in range(config.n_layer)] for _ in range(2)]
    losses = []
    for pos_id, next_id in enumerate(tokens[1:]):
        logits = gpt(config, params, tokens[pos_id], pos_id, keys, values)
        losses.append(cross_entropy(logits, next_id))
    return total(losses) / len(losses)

class Run:
    """A model in training: all it takes to go on as if it had never stopped."""
    def __init__(self, config, docs):
        self.config, self.step = config, 0
        self.rng = random.Random(config.seed)
        self.docs_crc = zlib.crc32("\n".join(docs).encode())  # a checksum
        docs = list(docs)
        self.rng.shuffle(docs)
        n_held_out = round(len(docs) * config.holdout)
        self.held_out, self.docs = docs[:n_held_out], docs[n_held_out:]
        self.tokenizer = Tokenizer(docs)
        self.params = init_params(config, self.tokenizer.vocab_size, self.rng)
        self.weights = flatten(self.params)
        self.m, self.v = [[0.0] * len(self.weights) for _ in range(2)]

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
            loss.backward()
            loss = loss.data  # frees the graph: the next one takes its place
            rate = config.learning_rate * (1 - run.step / config.steps)
            run.step += 1
            rate /= 1 - beta1 ** run.step  # m and v start at 0: undo that bias
            v_scale = 1 / (1 - beta2 ** run.step)
            for i, w in enumerate(run.weights):
                grad, w.grad = w.grad, 0.0
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
    for pos_id in range(config.block_size):
        logits = gpt(config, params, tokens[pos_id], pos_id, keys, values)
        if pos_id + 1 < len(tokens):
            continue  # still reading the prompt
        probs = softmax([v.data for v in logits], config.temperature)
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
    Raises OSError, or ValueError that says what is wrong with the text."""
    if path is None:
        return NAMES.split()
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().lstrip("\ufeff").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path!r} is not UTF-8 text: see the byte at offset "
                         f"{error.start}") from None
    docs = [line.strip() for line in lines if line.strip()]
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
    part = os.path.join(os.path.dirname(path), f".microgpt-{os.getpid()}.part")
    try:
        with open(part, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the name
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)

def load(path, docs=None):
    """The run that save wrote to path; to go on training it needs its docs.
    Raises OSError or ValueError."""
    try:
        with open(path, encoding="ascii") as file:
            data = json.load(file)
        run = Run(Config(**data["config"]), data["vocabulary"])
        run.docs_crc, run.docs, run.held_out = int(data["docs_crc"]), [], []
        for i, w in enumerate(run.weights):
            w.data = float(data["weights"][i])
            run.m[i], run.v[i] = float(data["m"][i]), float(data["v"][i])
        run.step = int(data["step"])
        version, state, gauss = data["rng"]
        run.rng.setstate((version, tuple(state), gauss))
        if (to_json(run) != json.dumps(data, sort_keys=True) or min(run.v) < 0
                or not 0 <= run.step <= run.config.steps):
            raise ValueError("save would not have written this")
    except (ArithmeticError, AttributeError, LookupError, RecursionError,
            TypeError, ValueError) as error:
        raise ValueError(f"{path!r} is not a model saved by microgpt "
                         f"({type(error).__name__}: {error})") from None
    if docs is not None:
        new = Run(run.config, docs)
        if new.docs_crc != run.docs_crc:
            raise ValueError(f"{path!r} was trained on other documents")
        run.docs, run.held_out = new.docs, new.held_out
    return run

# %% Command line
def printable(text):
    """text with control characters escaped, and what stdout cannot encode."""
    text = "".join([c if c.isprintable() else ascii(c)[1:-1] for c in text])
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)

def refuse(error):
    """Say on stderr, in one line, what is wrong, and exit with status 2."""
    print(f"microgpt: {printable(str(error))}", file=sys.stderr)
    sys.exit(2)

def parse(argv):
    """The options in argv; settings of Config only where they are given."""
    parser = argparse.ArgumentParser("microgpt.py", allow_abbrev=False,
        description="Train a GPT on lines of text, then let it invent more.")
    parser.error = refuse  # its own would print all options too
    add = parser.add_argument
    add("file", metavar="FILE", nargs="?", help="UTF-8 text, a document a line "
        "(default: a thousand first names)")
    for f in fields(Config):
        if f.metadata["help"]:
            add("--" + f.name.replace("_", "-"), type=f.type, metavar="N",
                help=f"{f.metadata['help']} (default: {f.default})",
                default=argparse.SUPPRESS)
    add("--prompt", metavar="TEXT", default="",
        help="what each sample begins with (default: nothing)")
    add("--save", metavar="MODEL", help="write the model there (default: no)")
    add("--load", metavar="MODEL", help="sample from a saved model; with its "
        "FILE or --steps, finish its training first")
    return parser.parse_args(argv)

def prepare(options):
    """The run that options ask for. What can be refused is refused here."""
    given = {k: v for k, v in vars(options).items() if hasattr(Config, k)}
    if options.load is None:
        run = Run(Config(**given), load_docs(options.file))
    else:
        go_on = options.file or "steps" in given
        run = load(options.load, load_docs(options.file) if go_on else None)
        for name in given:
            kept = getattr(run.config, name)
            if given[name] != kept and name not in ("samples", "temperature"):
                raise ValueError(f"{name}={given[name]} contradicts "
                                 f"{name}={kept} in {options.load!r}")
        run.config = replace(run.config, **given)
    if run.config.holdout and bool(run.docs) != bool(run.held_out):
        raise ValueError(f"holdout={run.config.holdout} of these documents is "
                         "none or all of them")
    encode_prompt(run.config, run.tokenizer, options.prompt)
    if options.save is not None:
        folder = os.path.dirname(os.path.realpath(options.save))
        if not options.save or not os.access(folder, os.W_OK):
            raise ValueError(f"{options.save!r} cannot be written")
        try:
            load(options.save)
        except FileNotFoundError:
            pass
        except ValueError as error:
            raise ValueError(f"will not be overwritten: {error}") from None
    return run

def learn(run):
    """Train run and show how it goes -> the OSError of showing it, or None.
    Ctrl-C ends training after its step."""
    config, first, start = run.config, run.step + 1, time.perf_counter()
    live, extra = sys.stdout and sys.stdout.isatty(), ""

    def interrupt(signum, frame):  # the second Ctrl-C ends at once
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def report(step, loss):
        nonlocal extra
        tenth = step == first or step * 10 % config.steps < 10
        if run.held_out and tenth:
            try:
                losses = [
                    document_loss(config, run.params, run.tokenizer, doc).data
                    for doc in run.held_out]
                mean = sum(losses) / len(losses)
            except ArithmeticError:  # training itself may still find back
                mean = math.inf
            extra = f" | held-out {mean:.4f}"
        line = f"step {step:4d} / {config.steps:4d} | loss {loss:.4f}{extra}"
        if live:
            pace = (time.perf_counter() - start) / (step - first + 1)
            line += (f" | {1 / pace:.1f} steps/s"
                     f" | {(config.steps - step) * pace:.0f} s left")
            width = shutil.get_terminal_size().columns - 1
            print("\r" + line[:width].ljust(width), end="", flush=True)
        elif tenth:
            print(line, flush=True)
        return signal.getsignal(signal.SIGINT) is signal.default_int_handler

    previous = signal.getsignal(signal.SIGINT)
    if previous is not signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, interrupt)
    docs = run.docs + run.held_out
    cut = sum([len(doc) >= config.block_size for doc in docs])
    try:
        print(f"documents {len(docs)} ({len(run.held_out)} held out, {cut} cut "
              f"to {config.block_size} tokens) | vocabulary "
              f"{run.tokenizer.vocab_size} | parameters {len(run.weights)}")
        train(run, report)
    except OSError as error:
        return error  # what was learned can still be saved
    finally:
        signal.signal(signal.SIGINT, previous)
        if live and run.step >= first:
            print()  # leave the live line
    if run.step < config.steps:
        print(f"stopped after step {run.step} of {config.steps}")

def work(argv):
    """Do what the command line argv asks for -> an exit status or message."""
    options = parse(argv)
    try:
        run = prepare(options)
    except (OSError, ValueError) as error:
        refuse(error)
    config, status = run.config, 0
    try:
        unread = learn(run) if run.docs else None  # an error of the output
        if options.save is not None:
            try:
                save(options.save, run)
            except OSError as error:
                status = 1
                print(f"microgpt: {printable(options.save)}: {error.strerror}",
                      file=sys.stderr)
        if unread:
            raise unread
        for i in range(1, config.samples + 1):
            text = generate(config, run.params, run.tokenizer, run.rng,
                            options.prompt)
            print(f"sample {i:2d}: {printable(text)}", flush=True)
    except (ArithmeticError, ValueError) as error:
        return (f"microgpt: training diverged after step {run.step}: "
                f"{error}; lower learning_rate={config.learning_rate}")
    return status

def main(argv):
    """Do the work, and end quietly if it is interrupted or nobody reads on."""
    try:
        try:
            return work(argv)
        finally:
            print(end="", flush=True)
    except KeyboardInterrupt:
        return 130  # what shells call a program ended by Ctrl-C
    except OSError as error:  # as with | head -3, or on a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            return f"microgpt: output: {error.strerror}"

if __name__ == "__main__":
    if "__file__" in globals() and "get_ipython" not in globals():
        sys.exit(main(sys.argv[1:]))
    main([])  # in a notebook sys.argv is the kernel's
