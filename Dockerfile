# The page in a container: docs/hosting.md says how to build and run it.
FROM python:3.12-slim

# An image without CUDA is a third of the size: --build-arg PIP_EXTRA_INDEX_URL=<PyTorch's CPU index>
ARG PIP_EXTRA_INDEX_URL=""
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    EXPLORER_HOST=0.0.0.0 \
    EXPLORER_PORT=7860 \
    EXPLORER_CACHE=/cache/explorer \
    HF_HOME=/cache/huggingface

RUN useradd --create-home --uid 1000 explorer \
    && mkdir -p /cache && chown explorer:explorer /cache

WORKDIR /app
# The packages change seldom, the code often: each has a layer of its own.
COPY requirements.txt ./
RUN python -m pip install -r requirements.txt
COPY app.py README.md ./
COPY assets ./assets
COPY explorer ./explorer

# Nothing below may write to /app; models go to /cache, a volume where they shall outlive this.
USER explorer
VOLUME /cache
EXPOSE 7860

HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['EXPLORER_PORT'] + '/', timeout=8)"]

CMD ["python", "app.py"]
