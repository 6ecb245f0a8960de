"""From a fitted model to a released bundle: figures, manifest, model card, provenance."""
