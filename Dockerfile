# The suite in a container, for CPUs by default:
#   docker build -t repro .
#   docker run --rm -v "$PWD:/work" repro run experiments/quickstart.yaml --report
# For NVIDIA GPUs:
#   docker build -t repro-gpu --build-arg BASE=nvidia/cuda:12.8.1-runtime-ubuntu24.04 --build-arg TORCH_INDEX= .
#   docker run --rm --gpus all -v "$PWD:/work" repro-gpu run exp.yaml
# Files in /work belong to the user with the id USER_ID; build with --build-arg USER_ID=$(id -u) to make that yourself.
ARG BASE=python:3.11-slim
FROM ${BASE}

# PyTorch's index of CPU wheels; empty for the CUDA wheels of PyPI.
ARG TORCH_INDEX=--extra-index-url=https://download.pytorch.org/whl/cpu
ARG EXTRAS=gguf,lora,ray,slurm
ARG USER_ID=1000

ENV DEBIAN_FRONTEND=noninteractive \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    VIRTUAL_ENV=/opt/venv \
    PATH=/opt/venv/bin:$PATH

# Images of CUDA bring no Python; git lets a run record the commit of the code.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git \
    && if ! command -v python3 >/dev/null; then apt-get install -y --no-install-recommends python3 python3-venv; fi \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv "$VIRTUAL_ENV"

WORKDIR /opt/repro
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY repro ./repro
RUN python -m pip install ${TORCH_INDEX} -c constraints.txt ".[${EXTRAS}]"

# Ubuntu's images have a user with the id 1000 already.
RUN if ! getent passwd "$USER_ID" >/dev/null; then useradd --create-home --uid "$USER_ID" repro; fi \
    && mkdir -p /work /cache && chown "$USER_ID" /work /cache
ENV HOME=/cache HF_HOME=/cache/huggingface
USER ${USER_ID}
WORKDIR /work

ENTRYPOINT ["python", "-m", "repro"]
CMD ["--help"]
