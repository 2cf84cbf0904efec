# docker build -t tddfa .    docker run --rm -v "$PWD:/data" tddfa image photo.jpg -o 3d
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN pip wheel --no-cache-dir --wheel-dir /wheels /src

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl && rm -rf /wheels && useradd --create-home tddfa
USER tddfa
WORKDIR /data
ENTRYPOINT ["tddfa"]
CMD ["--help"]
