"""A small trainer in the manner of nanoGPT, for torch_speed.py to race with.

One long row of tokens, cut at random into rows of block_size, which are all
full; the block as GPT-2 has it, without biases; one matrix for q, k and v.
"""
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, n, n_head):
        super().__init__()
        self.n_head = n_head
        self.ln_1 = nn.LayerNorm(n, bias=False)
        self.c_attn = nn.Linear(n, 3 * n, bias=False)
        self.c_proj = nn.Linear(n, n, bias=False)
        self.ln_2 = nn.LayerNorm(n, bias=False)
        self.c_fc = nn.Linear(n, 4 * n, bias=False)
        self.mlp_proj = nn.Linear(4 * n, n, bias=False)

    def forward(self, x):
        rows, tokens, n = x.shape
        q, k, v = [part.view(rows, tokens, self.n_head, -1).transpose(1, 2)
                   for part in self.c_attn(self.ln_1(x)).split(n, 2)]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(rows, tokens, n))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x))))


class Reference(nn.Module):
    def __init__(self, vocab_size, block_size, n, n_head, n_layer):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, n)
        self.wpe = nn.Embedding(block_size, n)
        self.h = nn.ModuleList([Block(n, n_head) for _ in range(n_layer)])
        self.ln_f = nn.LayerNorm(n, bias=False)
        self.lm_head = nn.Linear(n, vocab_size, bias=False)
        self.apply(self.start)

    def start(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, 0.0, 0.02)

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe(torch.arange(
            tokens.shape[1], device=tokens.device))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class Trainer:
    """Of stream, a tensor of token ids; dtype is float32 or bfloat16."""
    def __init__(self, stream, vocab_size, block_size, n, n_head, n_layer,
                 batch_size, dtype, device):
        self.stream, self.size, self.rows = stream, block_size, batch_size
        self.dtype, self.device = dtype, device
        self.model = Reference(vocab_size, block_size, n, n_head, n_layer
                               ).to(device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-3, betas=(0.9, 0.95), fused=True)

    def step(self):
        """Take a step -> the number of tokens that it learned from."""
        starts = torch.randint(len(self.stream) - self.size, (self.rows,))
        rows = torch.stack([self.stream[i:i + self.size + 1] for i in starts])
        rows = rows.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16,
                            enabled=self.dtype == "bfloat16"):
            loss = self.model(rows[:, :-1], rows[:, 1:])
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return self.rows * self.size
