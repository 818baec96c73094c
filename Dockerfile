# The Contender model server: one ONNX model behind the Open Inference Protocol v2.
#
#   npm run bundle
#   docker build -t spam-filter --build-arg MODEL=models/candidate.onnx .
#   docker run --rm -p 127.0.0.1:8080:8080 spam-filter
#
# Without MODEL the image holds no model: mount one below /model. See docs/serving.md.

# Any image with Node 20.19 or newer and glibc. Pin it by digest where it matters.
ARG BASE_IMAGE=node:24-slim
FROM ${BASE_IMAGE}

# The folder `npm run bundle` made. DuckDB, which only the gate needs, stays out.
ARG BUNDLE=dist
COPY ${BUNDLE}/package.json /contender/
COPY ${BUNDLE}/contender /contender/contender/
COPY ${BUNDLE}/serve-process /contender/serve-process/
COPY ${BUNDLE}/bin/napi-v6 /contender/bin/napi-v6/

# An ONNX file, or a folder with one and its external data.
ARG MODEL=
COPY LICENSE ${MODEL} /model/

# Contender runs an image with this label on a read-only root.
LABEL dev.contender.read-only-root=true
ENV NODE_ENV=production ORT_DISABLE_TELEMETRY=1 PORT=8080 CONTENDER_MODEL=/model CONTENDER_MODEL_NAME=model
EXPOSE 8080

# A number, so that an orchestrator that forbids root can check it without reading /etc/passwd.
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:'+process.env.PORT+'/v2/health/ready').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
ENTRYPOINT ["node", "/contender/serve-process/index.js"]
