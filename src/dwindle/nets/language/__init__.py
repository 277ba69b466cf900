"""Language models of transformers: their shapes, how they are fitted, and how text is drawn or searched from them."""
