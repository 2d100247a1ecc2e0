# One image with all of Berth's programs and HAProxy. Needs no BuildKit. Where no image can be pulled,
# `make base-images` makes both base images first; with those the build needs no network.
ARG BUILD_IMAGE=golang:1.26-bookworm
ARG RUN_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
# Passed through from the caller's environment when given; Go's own defaults otherwise.
ARG GOPROXY
ARG GOFLAGS
ARG GONOSUMDB
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN mkdir -p /out && for main in cmd/*/main.go; do \
        CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X berth/cmd/internal/cli.version=${VERSION}" \
            -o /out/ "./$(dirname "$main")" || exit 1; \
    done

FROM ${RUN_IMAGE}
RUN command -v haproxy >/dev/null || { \
        apt-get update && \
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates haproxy && \
        rm -rf /var/lib/apt/lists/*; \
    }
COPY --from=build /out/ /usr/local/bin/
CMD ["berth", "--help"]
