# The command in an image: docker build -t payway-reconciler .
#
# The base is pinned by its tag. Pin it by the digest that your registry shows, too:
# docker build --build-arg BASE=python:3.12-slim-bookworm@sha256:… .
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /source
COPY requirements.lock pyproject.toml ./
COPY .github/actions/reconciler/pipeline/locked.py /build/
# What the program needs, by the lock, into an environment without pip; what builds its wheel, into another one.
RUN python -m venv --without-pip /opt/reconciler \
 && python -m venv /build/venv \
 && python -I /build/locked.py . >/build/run.txt \
 && python -I /build/locked.py . build >/build/build.txt \
 && python -m pip --python /opt/reconciler/bin/python install --no-cache-dir --only-binary :all: --require-hashes -r /build/run.txt \
 && /build/venv/bin/python -m pip install --no-cache-dir --only-binary :all: --require-hashes -r /build/build.txt
COPY LICENSE README.md ./
COPY schemas ./schemas
COPY reconciler ./reconciler
RUN /build/venv/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /build/wheel . \
 && python -m pip --python /opt/reconciler/bin/python install --no-cache-dir --no-deps --no-index /build/wheel/*.whl

FROM ${BASE}
COPY --from=build /opt/reconciler /opt/reconciler
ENV PATH=/opt/reconciler/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1
# A number, so that a cluster can tell that it isn't root; it owns nothing.
USER 10001:10001
WORKDIR /repository
ENTRYPOINT ["reconciler"]
CMD ["--help"]
