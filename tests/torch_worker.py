"""One process of several: a step of training, its gradient, a held-out loss.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=.. MASTER_PORT=.. torch_worker.py TASK

TASK is JSON: config, docs and batch_size. The first process prints JSON.
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]


def one_step(config, docs, batch_size):
    """Gradients, loss and held-out loss of the first weights; the next."""
    import microgpt
    import microgpt_torch  # here, for it needs torch
    run = microgpt_torch.Run(
        microgpt.Run(microgpt.Config(steps=1, **config), docs), batch_size,
        "float64")
    held_out, losses = run.held_out_loss(), []
    microgpt_torch.train(run, lambda docs, loss: losses.append(
        microgpt_torch.total(loss, run.device)))
    return {"held_out": held_out, "loss": losses[0],
            "grads": [x for w in run.model.parameters()
                      for x in w.grad.flatten().tolist()],
            "weights": [x for w in run.model.parameters()
                        for x in w.flatten().tolist()]}


if __name__ == "__main__":
    import microgpt_torch
    microgpt_torch.distributed.init_process_group("gloo")
    result = one_step(**json.loads(sys.argv[1]))
    if microgpt_torch.RANK == 0:
        print(json.dumps(result))
    microgpt_torch.distributed.destroy_process_group()
