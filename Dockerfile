# The application, without tests and the sandbox. Build it first: mvn package
FROM eclipse-temurin:17-jre

WORKDIR /opt/bactrian
COPY target/lib lib
COPY target/bactrian.jar application.properties ./
COPY sql sql
COPY routes routes

# Any number that is not root's; nothing is written here.
USER 10001:10001

# Inside a container, loopback would be out of everybody's reach. There is no authentication yet: publish the port with care.
ENV HTTP_HOST=0.0.0.0
ENV JAVA_OPTS="-XX:+UseSerialGC -Xmx192m -Xss512k -XX:+ExitOnOutOfMemoryError"
EXPOSE 8080 9876

HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${MANAGEMENT_PORT:-9876} && printf 'GET /observe/health/live HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '^HTTP/1.[01] 200' <&3"]

ENTRYPOINT ["sh", "-c", "exec java $JAVA_OPTS -jar bactrian.jar"]
