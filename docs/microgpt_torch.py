"""microgpt_torch: the model of microgpt.py in PyTorch, for larger texts.

    python microgpt_torch.py FILE --save m.json     which microgpt.py can --load
    torchrun --nproc-per-node 2 microgpt_torch.py FILE --checkpoint c.pt
    python microgpt_torch.py --help

It needs PyTorch 2.6 or newer, and microgpt.py beside it or one folder above.
"""
import argparse, contextlib, functools, io, math, os, pathlib, re, signal, sys
import tempfile, time, warnings, zlib
from collections import defaultdict
from dataclasses import asdict, replace
from itertools import chain

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # sleeping threads
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

    def forward(self, x, mask, cache):
        # of each head its own: [rows][n_head][tokens][head_dim]
        q, k, v = [part.unflatten(-1, (self.n_head, -1)).transpose(1, 2)
                   for part in self.attn_wqkv(norm(x)).chunk(3, -1)]
        if cache:  # keys and values of the tokens before
            k, v = cache[:] = [torch.cat([*pair], 2)
                               for pair in zip(cache, (k, v))]
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

    def forward(self, tokens, place, mask, caches=None):
        """Logits after each token: [rows][tokens] -> [rows][tokens][vocab]."""
        x = norm(self.wte(tokens) + self.wpe(place))
        for i, layer in enumerate(self.layers):
            x = layer(x, mask, caches and caches[i])
        return self.lm_head(x)

# %% Training
def pack(pieces, size):
    """Each piece, the longest first, goes in the row where it leaves the least
    room: [pieces] -> [rows][pieces], up to size long. Ding et al., 2024."""
    rows, roomy = [], defaultdict(list)  # those with room, by how much
    for piece in sorted(pieces, key=len, reverse=True):
        room = next((i for i in range(len(piece), size) if roomy[i]), size)
        row = roomy[room].pop() if room < size else []
        if not row:
            rows.append(row)
        row.append(piece)
        roomy[room - len(piece)].append(row)
    return rows

@functools.lru_cache(2)
def shuffled(n, seed):
    rng = torch.Generator().manual_seed(seed)
    return torch.randperm(n, generator=rng).tolist()

class Run:
    """known, a microgpt.Run, with tensors for its numbers. ours has the other
    settings, such as batch_size, the rows of all processes together."""
    def __init__(self, known, ours):
        vars(self).update({**vars(known), **vars(ours)})  # config, step, docs
        config, self.device = self.config, torch.device("cpu")
        if torch.accelerator.is_available() and not self.parity:
            torch.accelerator.set_device_index(LOCAL_RANK)
            kind = torch.accelerator.current_accelerator().type
            self.device = torch.device(kind, LOCAL_RANK)
        if self.dtype is None:
            on_cpu = self.device.type == "cpu"
            self.dtype = "float32" if on_cpu else "bfloat16"
        self.model = GPT(config, self.tokenizer.vocab_size).to(
            self.device, torch.float64 if self.parity else torch.float32)
        self.matrices = list(self.model.parameters())
        self.optimizer = torch.optim.Adam(
            self.matrices, betas=(config.beta1, config.beta2),
            eps=config.adam_eps, fused=True)
        if known.weights:
            self.fill(*[torch.tensor([*row], dtype=torch.float64) for row in (
                (w.data for w in known.weights), known.m, known.v)])
        else:  # they are drawn where they are needed
            n = sum([w.numel() for w in self.matrices])
            rng = torch.Generator(self.device).manual_seed(config.seed)
            drawn = torch.randn(n, generator=rng, device=self.device)
            self.fill(drawn * (0.32 / math.sqrt(config.n_embd)),
                      torch.zeros_like(drawn), torch.zeros_like(drawn))
        if self.compile:
            self.model.compile()
        self.text, self.held_out_text = [
            self.cut(docs) for docs in (self.docs, self.held_out)]

    def fill(self, *numbers):
        """Go on with these: all weights in a row, then Adam's m and v."""
        state = self.optimizer.state_dict()
        rows = zip(*[row.split([w.numel() for w in self.matrices])
                     for row in numbers])
        for i, (w, row) in enumerate(zip(self.matrices, rows)):
            new, m, v = [part.view_as(w) for part in row]
            with torch.no_grad():
                w.copy_(new)
            state["state"][i] = {"step": torch.tensor(float(self.step)),
                                 "exp_avg": m, "exp_avg_sq": v}
        self.optimizer.load_state_dict(state)

    def numbers(self):
        """What fill takes."""
        states = [self.optimizer.state[w] for w in self.matrices]
        return [torch.cat([x.detach().flatten() for x in xs]) for xs in (
            self.matrices, *[[state[name] for state in states]
                             for name in ("exp_avg", "exp_avg_sq")])]

    def cut(self, docs):
        """Their tokens, the place of each in its piece, and rows of numbers of
        tokens: packed, or the start of one document in each for parity."""
        tokens, places, rows, size = [], [], [], self.config.block_size
        for doc in docs:  # bos text bos text ... bos
            first, n = len(tokens), len(doc) + 1
            tokens += [self.tokenizer.bos, *self.tokenizer.encode(doc)]
            places += [i % size for i in range(n)]
            pieces = [range(first + i, first + min(i + size, n))
                      for i in range(0, n, size)]
            rows += [pieces[:1]] if self.parity else pieces
        rows = rows if self.parity else pack(rows, size)
        table = nn.utils.rnn.pad_sequence(
            [torch.tensor([*chain(*row)]).long() for row in rows or [[]]], True,
            -1)
        return [torch.as_tensor(x, device=self.device) for x in (
            [*tokens, self.tokenizer.bos], [*places, 0], table)]

    def batch(self, text, chosen):
        """Of the chosen rows tokens, places, targets, and the share that each
        has in the loss: none where a row is filled up."""
        tokens, places, rows = text
        numbers = rows[chosen]
        real = (numbers >= 0).to(self.matrices[0].dtype)
        n = real.sum(1, keepdim=True)
        share = real / (n * len(n) if self.parity else n.sum())
        return tokens[numbers], places[numbers], tokens[numbers + 1], share

    def loss(self, model, tokens, places, targets, share):
        """The sum of -log p(target), each times its share."""
        piece = (places == 0).cumsum(1)  # a token sees its own, and before it
        mask = (piece[:, None, :, None] == piece[:, None, None, :]).tril()
        with torch.autocast(self.device.type, torch.bfloat16,
                            self.dtype == "bfloat16" and not self.parity):
            logits = model(tokens, places, mask)
        losses = F.cross_entropy(logits.to(share.dtype).flatten(0, 1),
                                 targets.flatten(), reduction="none")
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
    mine = [x[RANK::WORLD] for x in batch]
    return total(sum([run.loss(run.model, *[x[i:i + n] for x in mine]).item()
                      for i in range(0, len(mine[0]), n)]), run)

def train_step(run, model):
    """Take a step -> this process's part of the loss, and all its tokens."""
    config, parts, n = run.config, run.accumulate, len(run.text[2])
    first, loss = run.step * run.batch_size, 0.0
    turns = [divmod(i, n) for i in range(first, first + run.batch_size)]
    batch = run.batch(run.text, [
        i if run.parity else shuffled(n, config.seed + epoch)[i]
        for epoch, i in turns])
    mine = [x[RANK::WORLD] for x in batch]
    run.optimizer.zero_grad()
    for i in range(parts):
        wait = WORLD > 1 and i < parts - 1  # until the last one is computed
        with model.no_sync() if wait else contextlib.nullcontext():
            part = run.loss(model, *[x[i::parts] for x in mine])
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
    config, bos = run.config, run.tokenizer.bos
    new = [[bos, *run.tokenizer.encode(prompt)]] * n
    place = torch.arange(len(new[0]), device=run.device)
    mask, texts = place[:, None] >= place, [[] for _ in range(n)]
    shape = n, config.n_head, 0, config.n_embd // config.n_head
    caches = [[run.matrices[0].new_empty(shape)] * 2
              for _ in range(config.n_layer)]
    while place[-1] < config.block_size and not all([bos in t for t in texts]):
        new = torch.tensor(new, device=run.device)
        logits = run.model.forward(  # not compiled: its shapes grow
            new, place, mask, caches)[:, -1].cpu().double()
        probs = (logits / max(config.temperature, 1e-9)).softmax(-1).tolist()
        new = [run.rng.choices(range(bos + 1), p) for p in probs]
        texts = [text + token for text, token in zip(texts, new)]
        place, mask = place[-1:] + 1, None
    return [prompt + run.tokenizer.decode(text[:(text + [bos]).index(bos)])
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
        io.BytesIO(data[:-8]), run.device, weights_only=True)
    for name, value in settings(run).items():
        if value != kept[name]:
            raise ValueError(f"{name}={value} is {kept[name]} in {path!r}")
    run.fill(*numbers)

def keep(run, quiet=False):
    """Save run -> False after saying why that failed, unless quiet."""
    try:
        if not all([w.isfinite().all() for w in run.matrices]):
            raise ValueError("training diverged")
        if run.checkpoint:
            checkpoint(run.checkpoint, run)
        if run.path and (run.step == run.config.steps or not run.checkpoint):
            save(run.path, run)
        return True
    except (OSError, ValueError) as error:
        if not quiet:
            microgpt.complain(f"the model is not saved: {error}")
        return False

# %% Command line
def parse(argv):
    """Our options, and microgpt.py's. Raises what microgpt.parse does."""
    def refuse(message): raise ValueError(message)
    parser = argparse.ArgumentParser(
        "microgpt_torch.py", add_help=False, allow_abbrev=False,
        description="All options of microgpt.py (below), and:")
    parser.error = refuse
    add = parser.add_argument
    add("--parity", action="store_true", help="learn as microgpt.py does, to "
        "the digit: float64, one document a step, in order, the same start")
    add("--batch-size", type=int, metavar="N", help="rows of block_size tokens "
        "in a step, for parity documents (default: 64, for parity 1)")
    add("--accumulate", type=int, metavar="N", default=1, help="parts in which "
        "a step is computed (default: 1)")
    add("--dtype", choices=["float32", "bfloat16"], help="of products "
        "(default: float32, on a GPU bfloat16)")
    add("--compile", action="store_true", help="make the steps faster first")
    add("--checkpoint", metavar="PATH", help="keep training there as it goes, "
        "and go on from what is there")
    ours, rest = parser.parse_known_args([  # --batch_size is --batch-size
        re.sub("^--[^=]+", lambda match: match[0].replace("_", "-"), arg)
        for arg in argv])
    if {"-h", "--help"} & set(rest):
        parser.print_help()
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

    lean = not (ours.parity or options.load or options.init)
    # it is checked and read there, but without a Value for each weight
    small = dict.fromkeys(["n_embd", "n_head", "n_layer"] * lean, 1)
    with tempfile.TemporaryDirectory() as folder:  # it would save at once
        known, _ = microgpt.prepare(argparse.Namespace(
            **{**vars(options), **small, "save": f"{folder}/model"}))
    known.weights = not lean and known.weights
    known.config = replace(known.config, **{
        name: getattr(options, name, getattr(microgpt.Config, name))
        for name in small})
    ours.init = options.init and zlib.crc32(
        pathlib.Path(options.init).read_bytes())
    ours.path = options.save or (options.load if known.docs else None)
    n = microgpt.n_params(known.config, known.tokenizer.vocab_size)
    if ours.path and n > 10_000_000:
        raise ValueError(f"{n} parameters are too many for microgpt.py: keep "
                         "them with --checkpoint, not --save")
    if ours.path and RANK == 0 and os.path.lexists(ours.path) and not (
            options.load and os.path.samefile(ours.path, options.load)):
        raise ValueError(f"{ours.path!r} is there already: --load it to go on, "
                         "or remove it")
    run = Run(known, ours)
    if run.checkpoint and os.path.lexists(run.checkpoint):
        resume(run.checkpoint, run)
    elif RANK == 0 and not keep(run):
        raise SystemExit(2)
    return run

ended, training = [], False  # what came while a step was taken, to raise later

def learn(run):
    """Train run, show how it goes, and keep it -> whether it was kept. Then
    raises what ended it early, if that was no KeyboardInterrupt."""
    global training
    if total(run.step, run) != run.step * WORLD:
        raise ValueError("not every process found the same checkpoint")
    config, model, tokens, kept = run.config, run.model, 0, True
    if WORLD > 1:
        model = nn.parallel.DistributedDataParallel(model)
        # it settles in which order it adds: now, not in the first step
        run.loss(model, *run.batch(run.text, [0])).backward()
    say = microgpt.say if RANK == 0 else lambda line: None
    say(f"documents {len(run.docs + run.held_out)} ({len(run.held_out)} held "
        f"out), {len(run.text[2])} rows | vocabulary "
        f"{run.tokenizer.vocab_size} | parameters "
        f"{sum([w.numel() for w in run.matrices])} | processes {WORLD} | "
        f"{run.device.type}")
    training, first, start = True, run.step, time.perf_counter()
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
            kept = keep(run, quiet=not kept)
        line = f"step {run.step:4d} / {config.steps:4d} | loss {loss:.4f}"
        if run.held_out:
            line += f" | held-out {held_out_loss(run):.4f}"
        seconds = time.perf_counter() - start
        left = seconds / (run.step - first) * (config.steps - run.step)
        try:
            say(f"{line} | {tokens / seconds:.0f} tokens/s | {left:.0f} s left")
        except OSError as error:  # nobody reads on
            ended.append(error)
    if total(len(ended), run):
        kept = RANK > 0 or keep(run)
        with contextlib.suppress(OSError):
            say(f"stopped after step {run.step} of {config.steps}")
    training = False
    for error in ended:
        if not isinstance(error, KeyboardInterrupt):
            raise error if kept else SystemExit(1)
    return kept

def main(argv):
    """Do what the command line argv asks for -> an exit status."""
    status = 2  # refused
    try:
        ended.clear()
        ours, options = parse(argv)
        run = prepare(ours, options)
        status, kept = 1, True
        if WORLD > 1:
            # after a restart the addresses of the dead would still be known
            attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            store, *_ = next(distributed.rendezvous("env://"))
            distributed.init_process_group(
                distributed.get_default_backend_for_device(run.device),
                store=distributed.PrefixStore(attempt, store), rank=RANK,
                world_size=WORLD,
                device_id=run.device if run.device.type == "cuda" else None)
        if run.docs:
            kept = learn(run)
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

def end(signum, frame):
    """Leave after the step that is taken; at once if there is none, or at a
    second Ctrl-C, unless it is torchrun that repeats the first."""
    ended.append(KeyboardInterrupt() if signum == signal.SIGINT
                 else SystemExit(128 + signum))
    again = list(map(type, ended)).count(KeyboardInterrupt) > 1
    launched = distributed.is_torchelastic_launched()
    if not training or again and not launched:
        raise ended[-1]

if __name__ == "__main__":
    for name in "SIGINT", "SIGTERM", "SIGHUP":  # Windows has no SIGHUP
        signum = getattr(signal, name, signal.SIGTERM)
        if signal.getsignal(signum) not in (signal.SIG_IGN, None):
            signal.signal(signum, end)
    status = main(sys.argv[1:])
    with contextlib.suppress(OSError):
        microgpt.say(end="")
        sys.exit(status)
    os._exit(status)  # stdout is gone, and Python would complain of it
