import { invariant } from "./errors.js";

/**
 * Every bound of the engine in one place, with what they owe to each other asserted below.
 * Units come last in a name.
 */
const KiB = 1024;
const MiB = 1024 * KiB;

export const limits = {
  /** Longest WebSocket frame that is taken; announced in `welcome`. */
  maxFrameBytes: 64 * KiB,
  /** What the transport accepts above that, so that "too large" can be said in words instead of a dropped connection. */
  transportFrameBytes: 1 * MiB,
  /** Longest body of `POST /v1/readings`. */
  maxPostBytes: 1 * MiB,
  /** Largest window of one connection. */
  maxWindowBytes: 1 * MiB,
  /** What all lanes and windows of the node share. */
  poolBytes: 256 * MiB,
  /** What one client's lane may hold, whatever the pool still has. */
  maxLaneBytes: 64 * MiB,
  /** Bind frames of one connection that the engine keeps. */
  maxBindBytes: 4 * MiB,
  aliasCount: 1 << 20,
  /** Characters in a meter's or a datalogger's id. */
  maxIdChars: 128,
  maxTenantIdChars: 64,
  /** Frames per datalogger whose hash is kept, to tell a resend from a reused seq. */
  rememberedFrames: 256,
  maxReadingsPerFrame: 65_536,

  /** Frames ring of a shard: must hold what is being made durable while fdatasync has a bad moment. */
  ringBytes: 16 * MiB,
  /** Of which this much may wait unread; the rest of the queue stays in the lanes, where it is fair. */
  ringWaitingBytes: 1 * MiB,
  outcomeRingBytes: 4 * MiB,
  /** Largest record of either ring; longer answers travel in pieces. */
  maxRecordBytes: 1 * MiB + 4 * KiB,

  /** Journal: one block is written with one call; a file of the journal holds many. */
  journalBlockBytes: 1 * MiB,
  /** A frame that causes more than this, by closing years of periods, is journaled in several units. */
  maxUnitBytes: 8 * MiB,
  /** What is computed and not yet durable; beyond it nothing more is taken out of the ring. */
  maxVolatileBytes: 64 * MiB,
  journalSegmentBytes: 64 * MiB,
  /** Rows that wait for the store in memory; beyond it they are read back from the journal. */
  sinkMemoryBytes: 64 * MiB,
  sinkBatchRows: 50_000,

  /** Late inputs that one repair of a meter works in. */
  lateInputsPerRepair: 20_000,
  /** Late inputs further apart than this are repaired one after the other: what lies between them need not be read. */
  lateGapMs: 7 * 24 * 3_600_000,
  /** Longest time between the first and the last late input of one repair: years of hours would be one huge unit. */
  lateSpanMs: 200 * 24 * 3_600_000,
  /** Meters whose neighbours are read from the store in one pass. */
  lateMetersPerPass: 1_000,
  /** Late inputs that wait; beyond it the frames that bring more are acked only when fewer wait, so that their senders' windows close. */
  lateInputsWaiting: 100_000,
  /** Late inputs that wait at most, but for what is in the ring: beyond it nothing more is taken from the clients that bring them. */
  lateInputsHeld: 1_000_000,
  /** Records of meters that send out of order, kept in memory for the next late one. */
  knownRecords: 300_000,

  metersPerPage: 65_536,
  /** Places for the meters of clients that are spread over shards, 16 bytes each; a power of two. */
  claimSlots: 1 << 21,
  /** A reading further ahead of the clock than this is `ts_future`. */
  maxFutureMs: 3_600_000,
  /** 2000-01-01T00:00:00Z: a reading before it is `ts_too_old`. */
  minTsMs: 946_684_800_000,
  /** A segment longer than this is not spread over periods. */
  maxSpreadMs: 92 * 24 * 3_600_000,
  maxQueryRows: 10_000,
  rejectedReadingBytes: 256,
  rejectedFrameBytes: 4 * KiB,
  /** Rows of `rejected` kept per client and hour; beyond it they are only counted. */
  rejectedRowsPerHour: 10_000,

  /** Alert transitions that wait for one webhook; beyond it they are dead letters at once. */
  webhookWaiting: 10_000,
  /** That wait for all webhooks of the node; beyond it each has its equal share. */
  webhookWaitingInAll: 200_000,
  /** Keys of transitions that are known when they are told again. */
  webhookKeys: 20_000,
  /** Of a webhook's answer; beyond it the connection is closed. */
  webhookAnswerBytes: 4 * KiB,
  /** What the file of what waits may grow by, at least, before it is begun anew. */
  webhookGrowthBytes: 4 * MiB,
  deadLetterFileBytes: 8 * MiB,
  deadLetterFiles: 8,
} as const;

invariant(limits.maxFrameBytes < limits.transportFrameBytes, "a frame that is too large must still arrive to be answered");
invariant(limits.maxFrameBytes <= limits.maxWindowBytes, "one frame fits the window");
invariant(limits.maxWindowBytes <= limits.maxLaneBytes, "one connection's window fits its lane");
invariant(limits.maxLaneBytes <= limits.poolBytes, "one lane fits the pool");
invariant(limits.maxRecordBytes > limits.maxPostBytes, "the largest post travels as one record");
invariant(limits.maxRecordBytes * 2 <= limits.outcomeRingBytes, "the outcome ring holds more than one record");
invariant(limits.maxRecordBytes * 4 <= limits.ringBytes, "the ring holds several of the largest records");
invariant(limits.lateGapMs < limits.lateSpanMs, "two late inputs that lie together fit one repair");
invariant(limits.lateInputsWaiting < limits.lateInputsHeld, "windows close before lanes are held");
invariant(limits.ringWaitingBytes < limits.ringBytes, "what waits unread is a part of the ring");
invariant(limits.webhookWaiting <= limits.webhookWaitingInAll, "one webhook's transitions fit what may wait for all");
