reelsense_fuzz(model reelsense_core)
