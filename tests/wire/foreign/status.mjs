// Sends one message with Node's own client and prints the answers up to the completion.
const [uri, message] = process.argv.slice(2);
const socket = new WebSocket(uri);
socket.onopen = () => socket.send(message);
socket.onmessage = (event) => {
  console.log(event.data);
  if (event.data.includes('"completion"')) socket.close(1000, "done");
};
socket.onerror = (event) => {
  console.error(event.message || event.error || "failed");
  process.exitCode = 1;
};
