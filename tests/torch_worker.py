"""One process of several: a step of training, its gradient, a held-out loss.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=.. MASTER_PORT=.. torch_worker.py TASK

TASK is JSON: config, docs and the options. The first process prints JSON.
"""
import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]


def settings(**kwargs):
    """The options of microgpt_torch.py in a call from Python."""
    return argparse.Namespace(**{**dict(
        parity=True, batch_size=1, accumulate=1, dtype="float32", compile=False,
        checkpoint=None, path=None, init=None), **kwargs})


def one_step(config, docs, **options):
    """Gradients, loss and held-out loss of the first weights; the next."""
    import microgpt
    import microgpt_torch as program  # here, for it needs torch
    run = program.Run(microgpt.Run(microgpt.Config(steps=1, **config), docs),
                      settings(**options))
    model = run.model
    if program.WORLD > 1:
        model = program.nn.parallel.DistributedDataParallel(model)
    held_out = program.held_out_loss(run)
    loss = program.total(program.train_step(run, model)[0], run)
    return {"held_out": held_out, "loss": loss,
            "grads": [x for w in run.matrices for x in w.grad.flatten().tolist()],
            "weights": run.numbers()[0].tolist()}


if __name__ == "__main__":
    import microgpt_torch
    microgpt_torch.distributed.init_process_group("gloo")
    result = one_step(**json.loads(sys.argv[1]))
    if microgpt_torch.RANK == 0:
        print(json.dumps(result))
    microgpt_torch.distributed.destroy_process_group()
