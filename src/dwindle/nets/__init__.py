"""Parts of small networks in torch, on processor or GPU: the networks of all chains stacked into one batched model."""
