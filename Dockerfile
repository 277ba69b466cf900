# What a docker or kubernetes worker of Prefect starts for each lineage; it gives the command itself.
#   docker build --tag dwindle:0.1.0 .
# Nothing is fetched at run time but data and models, from the exchange.

ARG BASE=python:3.11.13-slim-bookworm

FROM ${BASE} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/dwindle
ENV PATH=/opt/dwindle/bin:$PATH
# The lock alone, so that a change of code does not install everything again. An index of CPU or CUDA builds of torch
# is chosen with --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL=
COPY requirements.lock ./
RUN pip install --requirement requirements.lock && pip check

FROM ${BASE}
# git for DVC; ssh for an exchange of that kind.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/*
COPY --from=packages /opt/dwindle /opt/dwindle
ENV PATH=/opt/dwindle/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    DO_NOT_TRACK=1 \
    DVC_NO_ANALYTICS=1 \
    HF_HUB_OFFLINE=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    MLFLOW_DISABLE_TELEMETRY=true

RUN useradd --uid 1000 --create-home dwindle \
    && install --directory --owner dwindle --group dwindle /project /slots
WORKDIR /project
COPY --chown=dwindle:dwindle . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .

USER dwindle
# DVC wants a git work tree; the project's history stays outside.
RUN git init --quiet && git config user.name dwindle && git config user.email dwindle@localhost

CMD ["prefect", "flow-run", "execute"]
