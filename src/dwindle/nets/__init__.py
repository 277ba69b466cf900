"""Parts of small networks in torch, on the processor: the networks of all chains stacked into one batched model."""
