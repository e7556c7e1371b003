"""microgpt_torch: the model of microgpt.py in PyTorch, for larger texts.

    python microgpt_torch.py FILE --save m.json     which microgpt.py can --load
    torchrun --nproc-per-node 2 microgpt_torch.py FILE --checkpoint c.pt
    python microgpt_torch.py --help

It needs PyTorch 2.7 or newer, and microgpt.py beside it or one folder above.
"""
import argparse, contextlib, functools, io, math, os, pathlib, random, signal
import sys, tempfile, time, warnings, zlib
from collections import defaultdict
from dataclasses import asdict
from unittest import mock

warnings.filterwarnings("ignore", "Failed to initialize NumPy")  # not used
import torch
from torch import distributed, nn
from torch.nn import functional as F
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import microgpt

# torchrun says which process this is, of how many, and which of its machine
RANK, WORLD, LOCAL_RANK = [
    int(os.environ[name]) if distributed.is_torchelastic_launched() else alone
    for name, alone in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))]

# %% Model
def norm(x):
    return F.rms_norm(x, x.shape[-1:], eps=1e-5)

class Layer(nn.Module):
    """Attention and MLP: [rows][tokens][n] -> [rows][tokens][n]."""
    def __init__(self, n, n_head):
        super().__init__()
        self.n_head = n_head
        self.attn_wqkv = nn.Linear(n, 3 * n, bias=False)  # as one: quicker
        self.attn_wo = nn.Linear(n, n, bias=False)
        self.mlp_fc1 = nn.Linear(n, 4 * n, bias=False)
        self.mlp_fc2 = nn.Linear(4 * n, n, bias=False)

    def forward(self, x, mask):
        # of each head its own: [rows][n_head][tokens][head_dim]
        q, k, v = [part.unflatten(-1, (self.n_head, -1)).transpose(1, 2)
                   for part in self.attn_wqkv(norm(x)).chunk(3, -1)]
        mixed = F.scaled_dot_product_attention(q, k, v, mask)
        x = x + self.attn_wo(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp_fc2(self.mlp_fc1(norm(x)).relu_())

class GPT(nn.Module):
    """The model; its weights are in the order of microgpt.py."""
    def __init__(self, config, vocab_size):
        super().__init__()
        n = config.n_embd
        self.wte = nn.Embedding(vocab_size, n)
        self.wpe = nn.Embedding(config.block_size, n)
        self.lm_head = nn.Linear(n, vocab_size, bias=False)
        self.layers = nn.ModuleList(
            [Layer(n, config.n_head) for _ in range(config.n_layer)])

    def forward(self, tokens, places):
        """Logits after each token: [rows][tokens] -> [rows][tokens][vocab].
        A token sees those before it, back to where its places begin at 0."""
        piece = (places == 0).cumsum(1)
        mask = (piece[:, None, :, None] == piece[:, None, None, :]).tril()
        x = norm(self.wte(tokens) + self.wpe(places))
        for layer in self.layers:
            x = layer(x, mask)
        return self.lm_head(x)

# %% Training
def pack(pieces, size):
    """Each piece, the longest first, goes in the row where it leaves the least
    room: [pieces] -> [rows], up to size long. Ding et al., 2024."""
    roomy = defaultdict(list)  # rows, by how much room they have
    roomy[size] = [[] for _ in pieces]
    for piece in sorted(pieces, key=len, reverse=True):
        room = next(n for n in range(len(piece), size + 1) if roomy[n])
        row = roomy[room].pop()
        row += piece
        roomy[room - len(piece)].append(row)
    return [row for rows in roomy.values() for row in rows if row]

@functools.lru_cache(2)
def shuffled(n, seed):
    return random.Random(seed).sample(range(n), n)

class Run:
    """known, a microgpt.Run, with tensors for its numbers. ours has the other
    settings, such as batch_size, the rows of all processes together."""
    def __init__(self, known, ours):
        vars(self).update({**vars(known), **vars(ours)})  # config, step, docs
        config, self.device = self.config, torch.device("cpu")
        if torch.accelerator.is_available() and not self.parity:
            torch.accelerator.set_device_index(LOCAL_RANK)
            self.device = torch.device(LOCAL_RANK)
        self.model = GPT(config, self.tokenizer.vocab_size).to(
            self.device, torch.float64 if self.parity else torch.float32)
        self.matrices = list(self.model.parameters())
        self.optimizer = torch.optim.Adam(
            self.matrices, betas=(config.beta1, config.beta2),
            eps=config.adam_eps, fused=True)
        rng = torch.Generator(self.device).manual_seed(config.seed)
        spread = 0.32 / math.sqrt(config.n_embd)
        for w in self.matrices:
            nn.init.normal_(w, 0.0, spread, generator=rng)
        if known.weights:
            self.fill([w.data for w in known.weights], known.m, known.v)
        if self.compile:
            self.model.compile()
        self.text, self.held_out_text = [
            self.cut(docs) for docs in (self.docs, self.held_out)]

    @torch.no_grad()
    def fill(self, *rows):
        """Go on with these: all weights in a row, then Adam's m and v."""
        state = self.optimizer.state_dict()
        sizes = [w.numel() for w in self.matrices]
        rows = [torch.as_tensor(row, dtype=torch.float64).split(sizes)
                for row in rows]
        for i, (w, *parts) in enumerate(zip(self.matrices, *rows)):
            new, m, v = [part.view_as(w) for part in parts]
            w.copy_(new)
            state["state"][i] = {"step": torch.tensor(float(self.step)),
                                 "exp_avg": m, "exp_avg_sq": v}
        self.optimizer.load_state_dict(state)

    def numbers(self):
        """What fill takes."""
        def state(name):  # there is none before the first step
            return [self.optimizer.state[w].get(name, torch.zeros_like(w))
                    for w in self.matrices]
        rows = self.matrices, state("exp_avg"), state("exp_avg_sq")
        return [nn.utils.parameters_to_vector(row).detach() for row in rows]

    def cut(self, docs):
        """Rows of tokens, of the place of each in its piece, and of the token
        that follows, -1 where a row is filled up: [3] tensors."""
        bos, size, pieces = self.tokenizer.bos, self.config.block_size, []
        for doc in docs:
            text = [bos, *self.tokenizer.encode(doc), bos]
            for i in range(0, 1 if self.parity else len(text) - 1, size):
                now, after = text[i:i + size], text[i + 1:i + size + 1]
                pieces.append([*zip(now, range(size), after)])
        rows = pieces if self.parity else pack(pieces, size)
        rows = [row + [(bos, 0, -1)] * (size - len(row)) for row in rows]
        table = torch.tensor(rows, dtype=torch.long, device=self.device)
        return table.view(-1, size, 3).unbind(2)

    def batch(self, text, chosen):
        """The chosen rows of what cut made of a text, and the share that each
        token has in the loss: none where a row is filled up."""
        tokens, places, targets = [part[chosen] for part in text]
        real = (targets >= 0).to(self.matrices[0].dtype)
        n = real.sum(1, keepdim=True)
        share = real / (n * len(n) if self.parity else n.sum())
        return tokens, places, targets, share

    def loss(self, model, tokens, places, targets, share):
        """The sum of -log p(target), each times its share."""
        with torch.autocast(self.device.type, torch.bfloat16,
                            self.dtype == "bfloat16" and not self.parity):
            logits = model(tokens, places).flatten(0, 1)
        losses = F.cross_entropy(logits.to(share.dtype), targets.flatten(),
                                 ignore_index=-1, reduction="none")
        return losses @ share.flatten()

def total(number, run):
    """The sum of a number over all processes."""
    if WORLD == 1:
        return float(number)
    number = torch.as_tensor(number, dtype=torch.float64, device=run.device)
    distributed.all_reduce(number)
    return number.item()

@torch.no_grad()
def held_out_loss(run):
    """The mean loss of what is held out."""
    batch, n = run.batch(run.held_out_text, slice(None)), run.batch_size
    return sum([run.loss(run.model, *[x[i:i + n] for x in batch]).item()
                for i in range(0, len(batch[0]), n)])

def train_step(run, model):
    """Take a step -> this process's part of the loss, and all its tokens."""
    config, parts, n = run.config, run.accumulate, len(run.text[0])
    turns = range(run.step * run.batch_size, (run.step + 1) * run.batch_size)
    batch = run.batch(run.text, [
        i % n if run.parity else shuffled(n, config.seed + i // n)[i % n]
        for i in turns])
    run.optimizer.zero_grad()
    loss = 0.0
    for i in range(parts):
        model.require_backward_grad_sync = i == parts - 1  # all add up once
        part = run.loss(model, *[x[RANK::WORLD][i::parts] for x in batch])
        (part * WORLD).backward()  # then comes the mean over processes
        loss += part.detach()
    rate = config.learning_rate * (1 - run.step / config.steps)
    if not run.parity:
        warm = min(1.0, (run.step + 1) / min(100, config.steps / 10))
        rate *= warm * min(1.0, 16 / config.n_embd)
        nn.utils.clip_grad_norm_(run.matrices, 1.0)
    run.optimizer.param_groups[0]["lr"] = rate
    run.optimizer.step()
    run.step += 1
    return loss, (batch[-1] > 0).sum()

# %% Sampling
@torch.no_grad()
def generate(run, prompt, n):
    """n new documents that begin with prompt, together."""
    bos, size = run.tokenizer.bos, run.config.block_size
    texts = [[bos, *run.tokenizer.encode(prompt)]] * n
    while len(texts[0]) <= size and not all([bos in t[1:] for t in texts]):
        tokens = torch.tensor(texts, device=run.device)
        places = torch.arange(len(texts[0]), device=run.device)[None]
        logits = run.model.forward(tokens, places)[:, -1].cpu().double()
        probs = (logits / max(run.config.temperature, 1e-9)).softmax(-1)
        texts = [text + run.rng.choices(range(bos + 1), p)
                 for text, p in zip(texts, probs.tolist())]
    return [run.tokenizer.decode(text[1:(text + [bos]).index(bos, 1)])
            for text in texts]

def invent(run, prompt):
    """Print samples as microgpt.py does."""
    known = {doc[:run.config.block_size] for doc in run.docs + run.held_out}
    n, n_known, size = run.config.samples, 0, run.batch_size
    for first in range(0, n, size):
        texts = generate(run, prompt, min(size, n - first))
        for i, text in enumerate(texts, first + 1):
            n_known += text in known
            lines = map(microgpt.printable, text.split("\n"))
            microgpt.say(f"sample {i:2d}:", "\n".join(lines))
    if known and n:
        microgpt.say(f"word for word in the documents: {n_known} of {n}")

# %% Saving
def save(path, run):
    """Write run to path for microgpt.py to load."""
    weights, m, v = [row.tolist() for row in run.numbers()]
    if len(weights) > 10_000_000:
        raise ValueError("too many weights for microgpt.py: use --checkpoint")
    microgpt.save(path, argparse.Namespace(**{
        **vars(run), "weights": map(microgpt.Value, weights), "m": m, "v": v}))

def settings(run):
    """What two parts of one training have in common."""
    names = "docs_crc", "init", "parity", "dtype", "batch_size", "accumulate"
    return {**asdict(run.config), **{name: vars(run)[name] for name in names},
            "samples": 0, "temperature": 0.0}  # these two may differ

def checkpoint(path, run):
    """Write to path what resume needs, whole or not at all."""
    data = io.BytesIO()
    torch.save([settings(run), run.step, *run.numbers()], data)
    data.write(b"%08x" % zlib.crc32(data.getvalue()))
    with tempfile.TemporaryDirectory(
            prefix=".microgpt-", dir=os.path.dirname(path)) as folder:
        with open(f"{folder}/part", "wb") as file:
            file.write(data.getvalue())
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the name
        os.replace(f"{folder}/part", path)

def resume(path, run):
    """Make of run what checkpoint wrote to path. Raises OSError, ValueError."""
    data = pathlib.Path(path).read_bytes()
    if b"%08x" % zlib.crc32(data[:-8]) != data[-8:]:
        raise ValueError(f"{path!r} is no checkpoint, or damaged")
    kept, run.step, *numbers = torch.load(
        io.BytesIO(data[:-8]), "cpu", weights_only=True)
    for name, value in settings(run).items():
        if value != kept[name]:
            raise ValueError(f"{name}={value} is {kept[name]} in {path!r}")
    run.fill(*numbers)

def keep(run):
    """Save run -> False after saying why that failed."""
    try:
        if run.checkpoint:
            checkpoint(run.checkpoint, run)
        if run.path and (run.step == run.config.steps or not run.checkpoint):
            save(run.path, run)
        return True
    except (OSError, ValueError) as error:
        microgpt.complain(f"the model is not saved: {error}")
        return False

# %% Command line
def parse(argv):
    """Our options, and microgpt.py's. Raises what microgpt.parse does."""
    def refuse(message): raise ValueError(message)
    parser = argparse.ArgumentParser(
        "microgpt_torch.py", allow_abbrev=False,
        description="All options of microgpt.py, and these:")
    parser.error = refuse
    add = parser.add_argument
    add("--parity", action="store_true", help="learn exactly as microgpt.py")
    add("--batch-size", "--batch_size", type=int, metavar="N",
        help="rows of block_size tokens a step (default: 64, for parity 1)")
    add("--accumulate", type=int, metavar="N", default=1,
        help="parts in which a step is computed (default: 1)")
    add("--dtype", choices=["float32", "bfloat16"], help="of products "
        "(default: float32, on a GPU bfloat16)",
        default="bfloat16" if torch.accelerator.is_available() else "float32")
    add("--compile", action="store_true", help="make the steps faster first")
    add("--checkpoint", metavar="PATH", help="keep training there, or go on")
    ours, rest = parser.parse_known_args(argv)
    return ours, microgpt.parse(rest)

def prepare(ours, options):
    """The run that they ask for. Raises OSError, ValueError."""
    if ours.batch_size is None:
        ours.batch_size = 1 if ours.parity else 64
    if not 1 <= ours.accumulate <= ours.batch_size // WORLD:
        raise ValueError(f"{ours.batch_size=} and {ours.accumulate=} leave one "
                         f"of {WORLD} processes without work")
    if WORLD > 1 and options.file == "-" or ours.checkpoint and options.load:
        raise ValueError("standard input is not for torchrun, nor --load for "
                         "--checkpoint, which goes on by itself")
    options.save = options.save if RANK == 0 else None
    ours.init = options.init and zlib.crc32(
        pathlib.Path(options.init).read_bytes())
    later = {"save": lambda path, run: None}
    if not (ours.parity or options.load or options.init):
        later["init_params"] = lambda *args: {}  # drawn on the device
    with mock.patch.multiple(microgpt, **later):
        known, ours.path = microgpt.prepare(options)
    run = Run(known, ours)
    if run.checkpoint and os.path.lexists(run.checkpoint):
        resume(run.checkpoint, run)
    elif RANK == 0 and not keep(run):
        raise SystemExit(2)
    return run

def parallel(run):
    """run.model with the gradients of all processes."""
    # after a restart the addresses of the dead would still be known
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store, *_ = next(distributed.rendezvous("env://"))
    distributed.init_process_group(
        store=distributed.PrefixStore(attempt, store), rank=RANK,
        world_size=WORLD,
        device_id=None if run.device.type == "cpu" else run.device)
    if total(run.step, run) != run.step * WORLD:
        raise ValueError("not every process found the same checkpoint")
    model = nn.parallel.DistributedDataParallel(run.model)
    # it settles in which order it adds: now, not in the first step
    run.loss(model, *run.batch(run.text, [0])).backward()
    return model

@contextlib.contextmanager
def postponed():
    """Meanwhile what signals would raise is put in a list."""
    errors = []
    def note(signum, frame):
        errors.append(KeyboardInterrupt() if signum == signal.SIGINT
                      else SystemExit(128 + signum))
    with contextlib.ExitStack() as after:
        for name in {"SIGINT", "SIGTERM", "SIGHUP"} & vars(signal).keys():
            signum = getattr(signal, name)  # Windows has no SIGHUP
            if signal.getsignal(signum) != signal.SIG_IGN:
                old = signal.signal(signum, note)
                after.callback(signal.signal, signum, old)
        yield errors
    for error in errors:
        raise error

def learn(run):
    """Train run, show how it goes, and keep it -> whether it was kept. Then
    raises what ended it early, if that was no KeyboardInterrupt."""
    config, tokens, kept = run.config, 0, True
    model = parallel(run) if WORLD > 1 else run.model
    say = microgpt.say if RANK == 0 else lambda line: None
    say(f"documents {len(run.docs)} in {len(run.text[0])} rows, held out "
        f"{len(run.held_out)} | parameters {len(run.numbers()[0])} | "
        f"processes {WORLD} on {run.device.type}")
    first, start = run.step, time.perf_counter()
    with contextlib.suppress(KeyboardInterrupt), postponed() as ended:
        while run.step < config.steps and not total(len(ended), run):
            loss, n = train_step(run, model)
            tokens += n
            tenth = run.step * 10 % config.steps < 10
            if not tenth and run.step > first + 1:
                continue
            loss = total(loss, run)
            if not math.exp(-loss) > 0.0:
                raise ArithmeticError(f"training diverged to a loss of {loss}: "
                                      f"lower {config.learning_rate=}")
            if RANK == 0 and tenth:
                kept = keep(run)
            line = f"step {run.step:4d} / {config.steps:4d} | loss {loss:.4f}"
            if run.held_out:
                line += f" | held-out {held_out_loss(run):.4f}"
            seconds = time.perf_counter() - start
            left = seconds / (run.step - first) * (config.steps - run.step)
            line += f" | {tokens / seconds:.0f} tokens/s | {left:.0f} s left"
            try:
                say(line)
            except OSError as error:  # nobody reads on
                ended.append(error)
        if total(len(ended), run):
            kept = RANK > 0 or keep(run)
            with contextlib.suppress(OSError):
                say(f"stopped after step {run.step} of {config.steps}")
    return kept

def main(argv):
    """Do what the command line argv asks for -> an exit status."""
    status = 2  # refused
    try:
        ours, options = parse(argv)
        run = prepare(ours, options)
        status = 1
        kept = learn(run) if run.docs else True
        if RANK == 0:
            invent(run, options.prompt)
        return 0 if kept else 1
    except (KeyboardInterrupt, SystemExit) as error:
        return getattr(error, "code", 130)  # 0 after the help
    except BrokenPipeError:  # as with | head -3
        return 0
    except (ArithmeticError, MemoryError, OSError, RuntimeError,
            ValueError) as error:
        if LOCAL_RANK == 0:
            microgpt.complain(str(error).partition("\n")[0] or "out of memory")
        return status
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()

if __name__ == "__main__":
    status = main(sys.argv[1:])
    with contextlib.suppress(OSError):
        microgpt.say(end="")
        sys.exit(status)
    os._exit(status)  # stdout is gone, and Python would complain of it
