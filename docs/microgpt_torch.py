"""microgpt_torch: the model of microgpt.py in PyTorch, in many processes.

    python microgpt_torch.py FILE --save m.json     train; then, to sample,
    python microgpt.py --load m.json
    torchrun --nproc-per-node 2 microgpt_torch.py FILE --save m.json
    python microgpt_torch.py --help

It needs PyTorch 2.4 or newer, and microgpt.py beside it or one folder above.
"""
import argparse, itertools, math, os, random, sys, time, warnings
from dataclasses import asdict

here = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [here, os.path.dirname(here)]
try:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # sleeping threads
    warnings.filterwarnings("ignore", "Failed to initialize NumPy")  # not used
    import torch
    from torch import distributed, nn
    from torch.nn import functional as F
    import microgpt
except ImportError as error:
    print(f"microgpt_torch: {error}: it needs PyTorch, and microgpt.py in the "
          "same folder", file=sys.stderr)
    sys.exit(2)

# torchrun says which process this is, of how many, and which of its machine
RANK = int(os.environ.get("RANK", 0))
WORLD = int(os.environ.get("WORLD_SIZE", 1))
LOCAL_RANK = int(os.environ.get("LOCAL_RANK", 0))
PAD = -1  # fills up a document that is shorter than others of its batch

# %% Model
class GPT(nn.Module):
    """The model; its weights are in the order of microgpt.py."""
    def __init__(self, config, vocab_size):
        super().__init__()
        self.config, n = config, config.n_embd
        shapes = {"wte": (vocab_size, n), "wpe": (config.block_size, n),
                  "lm_head": (vocab_size, n)}
        for i in range(config.n_layer):
            for name in "qkvo":
                shapes[f"layer{i}_attn_w{name}"] = n, n
            shapes[f"layer{i}_mlp_fc1"] = 4 * n, n
            shapes[f"layer{i}_mlp_fc2"] = n, 4 * n
        self.w = nn.ParameterDict()
        for name, shape in shapes.items():
            self.w[name] = nn.Parameter(torch.zeros(shape))

    def forward(self, tokens):
        """Logits after each token: [docs][tokens] -> [docs][tokens][vocab]."""
        def norm(x):
            return F.rms_norm(x, x.shape[-1:], eps=1e-5)

        def heads(x):  # [docs][tokens][n] -> [docs][n_head][tokens][head_dim]
            return x.unflatten(-1, (self.config.n_head, -1)).transpose(1, 2)

        w = self.w
        x = norm(F.embedding(tokens, w["wte"]) + w["wpe"][:tokens.shape[1]])
        for i in range(self.config.n_layer):
            normed = norm(x)
            q, k, v = [heads(F.linear(normed, w[f"layer{i}_attn_w{name}"]))
                       for name in "qkv"]
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            mixed = mixed.transpose(1, 2).flatten(2)  # heads side by side
            x = x + F.linear(mixed, w[f"layer{i}_attn_wo"])

            hidden = F.linear(norm(x), w[f"layer{i}_mlp_fc1"]).relu()
            x = x + F.linear(hidden, w[f"layer{i}_mlp_fc2"])
        return F.linear(x, w["lm_head"])

# %% Training
class Run:
    """known, a microgpt.Run, with tensors for its numbers; a step looks at
    batch_size documents, in all processes together."""
    def __init__(self, known, batch_size=64, dtype="float32"):
        vars(self).update(vars(known))  # config, docs, step and the others
        self.batch_size, self.dtype = batch_size, dtype
        self.device = torch.device("cpu")
        if torch.cuda.is_available():
            self.device = torch.device("cuda", LOCAL_RANK)
        self.model = GPT(self.config, self.tokenizer.vocab_size)
        self.model.to(self.device, torch.float64 if dtype == "float64"
                      else torch.float32)  # bfloat16 is for products only
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), eps=self.config.adam_eps,
            betas=(self.config.beta1, self.config.beta2))
        rows = (w.data for w in known.weights), iter(known.m), iter(known.v)
        for w in self.model.parameters():
            w.data, m, v = [torch.tensor(
                list(itertools.islice(row, w.numel())), dtype=torch.float64
                ).view_as(w).to(w) for row in rows]
            self.optimizer.state[w] = {"step": torch.tensor(float(self.step)),
                                       "exp_avg": m, "exp_avg_sq": v}

    def losses(self, docs, model):
        """The document_loss of each: [docs] -> [docs], a tensor."""
        tokens, size = [], self.config.block_size
        for doc in docs:
            text = self.tokenizer.encode(doc[:size])
            row = [self.tokenizer.bos, *text, self.tokenizer.bos][:size + 1]
            tokens.append(torch.tensor(row))
        tokens = nn.utils.rnn.pad_sequence(tokens, True, PAD).to(self.device)
        targets = tokens[:, 1:]
        with torch.autocast(self.device.type, torch.bfloat16,
                            enabled=self.dtype == "bfloat16"):
            logits = model(tokens[:, :-1].clamp(min=0))
        logits = logits.to(self.model.w["wte"].dtype).transpose(1, 2)
        losses = F.cross_entropy(logits, targets, ignore_index=PAD,
                                 reduction="none")  # 0 at each PAD
        return losses.sum(1) / (targets != PAD).sum(1)

    @torch.no_grad()
    def held_out_loss(self):
        """The mean document_loss of what is held out."""
        docs, n = self.held_out[RANK::WORLD], self.batch_size
        losses = [self.losses(docs[i:i + n], self.model).double().sum()
                  for i in range(0, len(docs), n)]
        return total(sum(losses), self.device) / len(self.held_out)

def total(number, device):
    """The sum of a number over all processes."""
    number = torch.as_tensor(number, dtype=torch.float64, device=device)
    if WORLD > 1:
        distributed.all_reduce(number)
    return number.item()

def train(run, report):
    """Take the steps of run that are left. Calls report(docs, loss) after
    each, with its documents and this process's part of their mean loss."""
    config, model = run.config, run.model
    if WORLD > 1:
        model = nn.parallel.DistributedDataParallel(model)
        # it settles in which order it adds: now, not in the first step
        run.losses(run.docs[:1], model).sum().backward()
    while run.step < config.steps:
        first = run.step * run.batch_size
        docs = [run.docs[i % len(run.docs)]
                for i in range(first, first + run.batch_size)]
        loss = run.losses(docs[RANK::WORLD], model).sum() / run.batch_size
        run.optimizer.zero_grad()
        (loss * WORLD).backward()  # then comes the mean over the processes
        rate = config.learning_rate * (1 - run.step / config.steps)
        run.optimizer.param_groups[0]["lr"] = rate
        run.optimizer.step()
        run.step += 1
        report(docs, loss.detach())

# %% Saving
def save(path, run):
    """Write run to path for microgpt.py to load."""
    def flat(tensors):
        return [x for tensor in tensors for x in tensor.flatten().tolist()]

    weights = list(run.model.parameters())
    states = [run.optimizer.state[w] for w in weights]
    run.weights = [microgpt.Value(x) for x in flat(weights)]
    run.m = flat([state["exp_avg"] for state in states])
    run.v = flat([state["exp_avg_sq"] for state in states])
    microgpt.save(path, run)

def settings(run):
    """What two parts of one training have in common."""
    same = dict(asdict(run.config), batch_size=run.batch_size, dtype=run.dtype,
                docs_crc=run.docs_crc)
    del same["samples"], same["temperature"]
    return same

def checkpoint(path, run):
    """Write to path what resume needs, whole or not at all."""
    with open(path + ".part", "wb") as file:
        torch.save([settings(run), run.step, run.model.state_dict(),
                    run.optimizer.state_dict()], file)
        file.flush()
        os.fsync(file.fileno())  # on the disk before it takes the name
    os.replace(path + ".part", path)

def resume(path, run):
    """Make of run what checkpoint wrote to path. Raises ValueError."""
    try:
        kept, step, model, optimizer = torch.load(path, run.device,
                                                  weights_only=True)
        for name, value in settings(run).items():
            if value != kept[name]:
                raise ValueError(f"{name}={value} contradicts {kept[name]}")
        run.model.load_state_dict(model)
        run.optimizer.load_state_dict(optimizer)
        run.step = step
    except Exception as error:  # of many kinds: the file can be anything
        why = error if type(error) is ValueError else type(error).__name__
        raise ValueError(f"{path!r} is not a checkpoint of this training "
                         f"({why})") from None

# %% Command line
def parse(argv):
    """Our options, and microgpt.py's. Raises what microgpt.parse does."""
    def refuse(message):
        raise ValueError(message)

    parser = argparse.ArgumentParser(
        "microgpt_torch.py", add_help=False, allow_abbrev=False,
        description="All options of microgpt.py (below) but --prompt, and:")
    parser.error = refuse
    add = parser.add_argument
    add("--batch-size", "--batch_size", type=int, metavar="N", default=64,
        help="documents in a step (default: 64)")
    add("--dtype", choices=["float64", "float32", "bfloat16"],
        default="float32", help="kind of numbers (default: float32)")
    add("--checkpoint", metavar="PATH", help="keep training there as it goes, "
        "and go on from what is there (default: no)")
    add("--every", type=int, metavar="N", help="steps from one report and "
        "checkpoint to the next (default: a tenth of all)")
    ours, rest = parser.parse_known_args(argv)
    if {"-h", "--help"} & set(rest):
        parser.print_help()
    return ours, microgpt.parse(rest)

def prepare(ours, options):
    """The run that they ask for. Raises OSError or ValueError."""
    trains = options.file or options.save or hasattr(options, "steps")
    if options.prompt or options.load and not trains:
        raise ValueError("to sample, use microgpt.py --load")
    if WORLD > 1 and options.file == "-":
        raise ValueError("only one process can read standard input")
    for name, low in ("batch_size", WORLD), ("every", 1):
        value = getattr(ours, name)
        if value is not None and not low <= value <= 10**9:
            raise ValueError(f"{name}={value} must be a whole number from "
                             f"{low} to {10**9}")
    if options.load or options.init:
        known = microgpt.prepare(options)
    else:  # checked and read as there, but without a Value for each weight
        config = microgpt.Config(**{k: v for k, v in vars(options).items()
                                    if hasattr(microgpt.Config, k)})
        known = microgpt.prepare(argparse.Namespace(**dict(
            vars(options), n_embd=1, n_head=1, n_layer=1)))
        known.config = config
        rng = known.rng = random.Random(config.seed)
        rng.shuffle(known.docs + known.held_out)  # as microgpt.Run did
        known.weights = (microgpt.Value(rng.gauss(0.0, config.init_std))
                         for _ in itertools.count())
        known.m = known.v = itertools.repeat(0.0)
        try:
            if options.save:
                microgpt.param_shapes(config, known.tokenizer.vocab_size)
        except ValueError as error:
            raise ValueError(f"microgpt.py could not load it: {error}; or use "
                             "--checkpoint, not --save") from None
    run = Run(known, ours.batch_size, ours.dtype)
    if ours.checkpoint:
        folder = os.path.dirname(os.path.realpath(ours.checkpoint))
        if os.path.exists(ours.checkpoint):
            resume(ours.checkpoint, run)
        elif not os.access(folder, os.W_OK):
            raise ValueError(f"{ours.checkpoint!r} cannot be written")
    run.every = ours.every or math.ceil(run.config.steps / 10)
    return run

def learn(run, path):
    """Train run, say how it goes, and keep a checkpoint at path, if any."""
    config, first, tokens = run.config, run.step + 1, 0
    start = time.perf_counter()

    def report(docs, loss):
        nonlocal tokens
        tokens += sum([min(len(doc) + 1, config.block_size) for doc in docs])
        due = run.step % run.every == 0 or run.step == config.steps
        if not due and run.step > first:
            return
        loss = total(loss, run.device)
        if not math.exp(-loss) > 0.0:
            raise ArithmeticError(f"the loss became {loss}")
        line = f"step {run.step:4d} / {config.steps:4d} | loss {loss:.4f}"
        if run.held_out:
            line += f" | held-out {run.held_out_loss():.4f}"
        seconds = time.perf_counter() - start
        left = seconds / (run.step - first + 1) * (config.steps - run.step)
        if RANK == 0:
            microgpt.say(f"{line} | {tokens / seconds:.0f} tokens/s"
                         f" | {left:.0f} s left")
            if due and path:
                checkpoint(path, run)

    if total(run.step, run.device) != run.step * WORLD:
        raise ValueError("not every process found the same checkpoint")
    if RANK == 0:
        weights = sum([w.numel() for w in run.model.parameters()])
        microgpt.say(
            f"documents {len(run.docs + run.held_out)} ({len(run.held_out)} "
            f"held out) | vocabulary {run.tokenizer.vocab_size} | parameters "
            f"{weights} | {run.dtype} | processes {WORLD} | {run.device.type}")
    if run.docs:
        train(run, report)

def main(argv):
    """Do what the command line argv asks for -> an exit status."""
    status = 2  # bad input
    try:
        ours, options = parse(argv)
        run = prepare(ours, options)
        status = 1
        if WORLD > 1:
            distributed.init_process_group(
                "nccl" if run.device.type == "cuda" else "gloo")
        learn(run, ours.checkpoint)
        if RANK == 0 and options.save:
            save(options.save, run)
        if WORLD > 1:
            distributed.destroy_process_group()
        return 0
    except SystemExit as error:
        return error.code  # the help was asked for
    except KeyboardInterrupt:
        return 130
    except (ArithmeticError, OSError, RuntimeError, ValueError) as error:
        if LOCAL_RANK == 0:
            microgpt.complain(error)
        return status

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
