// TCP as the speaker needs it. An interface, so that a whole speaker can also run over connections in memory and on virtual
// time; `createTcpTransport` makes the real one. TCP MD5 (RFC 2385) would be another implementation of `connect` and `listen`.

import { connect, createServer, type Socket } from 'node:net';
import { NearhopError } from '../../base/errors.ts';

/** What a connection tells its owner. Nothing is told after `end` or `destroy`. */
export interface ConnectionHandlers {
  connected(): void;
  /** The bytes are only valid during the call. */
  data(chunk: Uint8Array): void;
  /** Everything that was written has left; a `write` had returned false before. */
  drain(): void;
  /** The connection failed, was refused or was closed by the peer. */
  closed(reason: string): void;
}

export interface BgpConnection {
  /** Address of this end as text, known once connected. */
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** Bytes that were written and have not left yet. */
  readonly queuedBytes: number;
  /** Takes the bytes, always. False means: write no more before `drain`. */
  write(bytes: Uint8Array): boolean;
  /** Sends the last bytes and closes. */
  end(bytes: Uint8Array): void;
  /** Closes without a word. */
  destroy(): void;
}

export interface ConnectTarget {
  readonly address: string;
  readonly port: number;
  readonly localAddress: string | undefined;
}

export interface BgpTransport {
  connect(target: ConnectTarget, handlers: ConnectionHandlers): BgpConnection;
  /**
   * `accept` gets each new connection and returns who shall hear of it; undefined when it was refused, and ended already.
   * Rejects with `bgp-listen-failed`.
   */
  listen(
    at: { readonly address: string; readonly port: number },
    accept: (connection: BgpConnection) => ConnectionHandlers | undefined,
  ): Promise<BgpListener>;
  /** Resolves when every connection is closed, last messages included. */
  idle(): Promise<void>;
}

export interface BgpListener {
  readonly port: number;
  close(): void;
}

/** How long a closed connection may take to deliver its last message. */
const LINGER_MS = 1000;
/** Connections that peers may have open to us; more are closed at once. */
const MAX_ACCEPTED = 256;

const LISTEN_HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another BGP daemon has this port: stop it, or only connect and do not listen',
  EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'no interface of this host has the address',
};

class TcpConnection implements BgpConnection {
  readonly #socket: Socket;
  /** Kept, because a socket forgets it when it closes. */
  #localAddress: string;
  #isOver = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#localAddress = plain(socket.localAddress);
    socket.setNoDelay(true);
  }

  /** Starts to tell `handlers` what happens. */
  attach(handlers: ConnectionHandlers | undefined): void {
    const socket = this.#socket;
    let reason = 'connection closed by the peer';
    const tell = (what: () => void): void => {
      if (!this.#isOver) what();
    };
    socket.on('connect', () => {
      this.#localAddress = plain(socket.localAddress);
      tell(() => handlers?.connected());
    });
    socket.on('data', (chunk: Buffer) => tell(() => handlers?.data(chunk)));
    socket.on('drain', () => tell(() => handlers?.drain()));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reason = error.code === undefined ? error.message : `${error.code} (${error.syscall ?? 'tcp'})`;
    });
    socket.on('close', () =>
      tell(() => {
        this.#isOver = true;
        handlers?.closed(reason);
      }),
    );
  }

  get localAddress(): string {
    return this.#localAddress;
  }
  get remoteAddress(): string {
    return plain(this.#socket.remoteAddress);
  }
  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.write(bytes);
  }

  end(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // What the peer still sends is read and thrown away: closing over unread bytes resets the connection, and a reset
    // takes the NOTIFICATION with it.
    this.#socket.end(bytes);
    const linger = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.on('close', () => clearTimeout(linger));
  }

  destroy(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }
}

/** "::ffff:192.0.2.1" (a dual-stack listener's name for an IPv4 peer) as "192.0.2.1". */
const plain = (address: string | undefined): string => (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');

export const createTcpTransport = (): BgpTransport => {
  const open = new Set<Socket>();
  const own = (socket: Socket): TcpConnection => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    return new TcpConnection(socket);
  };
  return {
    connect(target, handlers) {
      const { address, port, localAddress } = target;
      const local = localAddress === undefined ? {} : { localAddress };
      const connection = own(connect({ host: address, port, autoSelectFamily: false, ...local }));
      connection.attach(handlers);
      return connection;
    },

    listen(at, accept) {
      return new Promise((resolve, reject) => {
        const server = createServer((socket) => {
          const connection = own(socket);
          connection.attach(accept(connection));
        });
        server.maxConnections = MAX_ACCEPTED;
        // Once it listens, an error is a connection that could not be accepted (no file descriptors left): it tries again.
        server.on('error', (cause: NodeJS.ErrnoException) => {
          const code = cause.code ?? cause.message;
          const where = `${at.address} port ${at.port}`;
          const hint = LISTEN_HINTS[code] ?? 'look at the address and the port in the config';
          const message = `cannot listen for BGP on ${where}: ${code}`;
          reject(new NearhopError('bgp-listen-failed', message, { cause, hint }));
        });
        server.listen({ host: at.address, port: at.port }, () => {
          const bound = server.address();
          const port = typeof bound === 'object' && bound !== null ? bound.port : at.port;
          resolve({ port, close: () => server.close() });
        });
      });
    },

    async idle() {
      await Promise.all([...open].map((socket) => new Promise((done) => socket.once('close', done))));
    },
  };
};
