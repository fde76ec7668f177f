"""Faces: found by MTCNN, turned upright by their eyes, nose and mouth, described by dlib's network.

arrays      the arrays of a joblib file, read without trusting it
network     the layers of a network that dlib wrote
graphs      both as ONNX graphs
detector    where faces are
chips       faces cut out in the geometry that a descriptor was trained on
encoder     the encoder `faces`, and the family `faces:onnx:FILE`
"""
