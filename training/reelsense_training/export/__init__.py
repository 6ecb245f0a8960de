"""Writers of model.onnx and model.tflite. Same model in, same bytes out."""
