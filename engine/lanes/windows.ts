import { limits } from "../base/limits.js";

/** Bytes of frames that one connection may have unacked, and how many it has. */
export interface Window {
  /** Largest window that the connection was ever told: what it is held to. */
  largest: number;
  inFlight: number;
  /** What comes by it is mostly late: a frame at a time, so that what waits to be worked in stays little. */
  isLate: boolean;
  readonly lane: LaneShare;
}

/** The connections of one lane share what one lane may hold. */
export interface LaneShare {
  connections: number;
}

/**
 * All windows together fit the node's byte pool, and those of one client its lane: with more connections
 * every window shrinks, down to a single frame, before anyone is refused.
 */
export class Windows {
  #connections = 0;
  #inFlight = 0;

  get inFlightBytes(): number {
    return this.#inFlight;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Whether one more connection can be taken: even with windows of a single frame the pool is not yet full. */
  get hasRoom(): boolean {
    return this.#inFlight < limits.poolBytes;
  }

  open(lane: LaneShare): Window {
    this.#connections++;
    lane.connections++;
    const window: Window = { largest: 0, inFlight: 0, isLate: false, lane };
    window.largest = this.sizeOf(window);
    return window;
  }

  close(window: Window): void {
    this.#connections--;
    window.lane.connections--;
    this.#inFlight -= window.inFlight;
    window.inFlight = 0;
  }

  /** The window to tell the connection now. */
  sizeOf(window: Window): number {
    const fromPool = limits.poolBytes / Math.max(1, this.#connections);
    const fromLane = limits.maxLaneBytes / Math.max(1, window.lane.connections);
    const most = window.isLate ? limits.maxFrameBytes : limits.maxWindowBytes;
    const size = Math.floor(Math.min(most, fromPool, fromLane));
    window.largest = Math.max(window.largest, size);
    return size;
  }

  /** Takes a frame's bytes; false when the connection may not have that many unacked. One frame is always allowed. */
  take(window: Window, bytes: number): boolean {
    if (window.inFlight > 0 && window.inFlight + bytes > window.largest + limits.maxFrameBytes) return false;
    window.inFlight += bytes;
    this.#inFlight += bytes;
    return true;
  }

  /** Of the connection's bytes exactly so many are unacked, as was found by counting them. */
  recount(window: Window, bytes: number): void {
    this.#inFlight += bytes - window.inFlight;
    window.inFlight = bytes;
  }

  give(window: Window, bytes: number): void {
    const given = Math.min(bytes, window.inFlight);
    window.inFlight -= given;
    this.#inFlight -= given;
  }
}
