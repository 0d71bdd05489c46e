"""The voices without torch: graphs for ONNX Runtime, and NumPy around them."""
