"""The peer of bench/load.ts: a model behind FastAPI and onnxruntime, one process, one thread for the model. The path is MODEL."""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
feature = session.get_inputs()[0].name
names = [output.name for output in session.get_outputs()]
app = FastAPI()


@app.get("/v2/health/ready")
def ready():
    return {"ready": True}


@app.post("/v2/models/m/infer")
async def infer(request: Request):
    given = (await request.json())["inputs"][0]
    rows = np.asarray(given["data"], dtype=np.float32).reshape(given["shape"])
    outputs = session.run(names, {feature: rows})
    return {
        "model_name": "m",
        "outputs": [
            {"name": name, "datatype": "FP32", "shape": list(values.shape), "data": values.ravel().tolist()}
            for name, values in zip(names, outputs)
        ],
    }
