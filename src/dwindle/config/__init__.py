"""From params.yaml and `key=value` overrides to frozen recipes, with every mistake found before anything is written."""
