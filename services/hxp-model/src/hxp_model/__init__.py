"""One model behind an engine, with a bundled model that needs no download."""
