# The package of Debian 13 in an image:
#   docker build -t amps-server .
#   docker run -d -p 5000:5000 --name amps -v $(pwd)/config.yaml:/app/config.yaml -v amps:/var/lib/amps amps-server
# compose.yaml restricts the container further.
ARG BASE=debian:13-slim

FROM $BASE AS build
WORKDIR /amps
COPY tools/deps.sh tools/deps.sh
RUN tools/deps.sh package
COPY . .
RUN packaging/deb.sh /packages

FROM $BASE
RUN --mount=type=bind,from=build,source=/packages,target=/packages \
	apt-get -qq update && \
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
		/packages/amps_*.deb ca-certificates curl ffmpeg systemd-standalone-sysusers yt-dlp && \
	rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin && \
	install -d /app && install -d -o amps -g amps /run/amps && \
	install -d -o amps -g amps -m 700 /var/lib/amps
COPY packaging/docker/healthcheck /usr/libexec/amps/healthcheck
USER amps
# the configuration: ./config.yaml if it is there, else /etc/amps/amps.yaml
WORKDIR /app
ENV XDG_STATE_HOME=/var/lib XDG_RUNTIME_DIR=/run LANG=C.UTF-8
VOLUME ["/var/lib/amps", "/run/amps"]
EXPOSE 5000 8554
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["/usr/libexec/amps/healthcheck"]
ENTRYPOINT ["amps"]
CMD ["serve"]
