/* The lease of one cluster as a Promela model: rules L1-L6 and L11 of docs/safety.md, under on_expiry "release".
 * What it covers, its bounds and what it leaves out: docs/model.md, which also maps each name here to the code.
 * tests/model/run.sh checks it with spin, exhaustively within the bounds, and checks that each MUTANT_ is caught.
 *
 * Every step is one input of one core (an order comes, a report comes, time passes ...) and is atomic, as in the code.
 * Which step comes next is open: messages are late, streams break, processes restart whenever they like.
 * Time is discrete. Every instant is kept as a countdown in ticks, so that runs have no end and no horizon.
 * Report numbers are compared and counted up, never read: they are renamed, in order, to the smallest (Normalise).
 */

/* ---- bounds; -D sets them ---- */

#ifndef NODES
#define NODES 2
#endif
#ifndef CONTROLLERS /* each with a store and an identity of its own */
#define CONTROLLERS 1
#endif
#ifndef TTL /* in ticks of the slowest clock */
#define TTL 2
#endif
#ifndef MAX_EPOCH
#define MAX_EPOCH 3
#endif
#ifndef REPORTS /* on their way in one stream */
#define REPORTS 1
#endif
#ifndef ORDERS /* the same */
#define ORDERS 2
#endif
/* How often each fault may strike; 255: as often as it likes. */
#ifndef EXECUTOR_RESTARTS /* the process: the kernel's gate stays */
#define EXECUTOR_RESTARTS 255
#endif
#ifndef HOST_REBOOTS /* the gate goes, the disk stays */
#define HOST_REBOOTS 255
#endif
#ifndef CONTROLLER_RESTARTS
#define CONTROLLER_RESTARTS 255
#endif
#ifndef STREAM_LOSSES /* a stream breaks, and what is on its way with it */
#define STREAM_LOSSES 255
#endif
#ifndef PROMISE_LOSSES /* a request or an answer is lost */
#define PROMISE_LOSSES 255
#endif
#ifndef GIVE_UPS /* a holder lets go by itself: its service is down, or it is told to stop */
#define GIVE_UPS 255
#endif

#ifndef MOVES /* 0: no release is ordered and no epoch told ahead; a move waits for the lease book */
#define MOVES 1
#endif
#ifndef FIRST_TAKEN /* 1: of two controllers, the second begins with node 0 following it */
#define FIRST_TAKEN 0
#endif
#ifndef DIALS /* how many streams are opened in all */
#define DIALS 255
#endif
#ifndef PROMISES /* 0: nobody asks for any */
#define PROMISES 1
#endif
#ifndef LATE_SAVE /* the store's writes are slower than the network, and die with the process */
#define LATE_SAVE 0
#endif
#ifndef LATE_REQUESTS /* a promise's request may be late, too, not only its answer */
#define LATE_REQUESTS 0
#endif

#define UNLIMITED 255
#define NOBODY NODES
#define NO_CONTROLLER CONTROLLERS
#define MAX(a, b) ((a) > (b) -> (a) : (b))

/* A holder's ttl takes TTL ticks at most, on the slowest clock. Whoever waits counts it on a clock that may be faster;
 * the margin of WithClockMargin makes up for just that, and for no tick more. */
#ifdef MUTANT_WAIT_WITHOUT_MARGIN
#define WITH_CLOCK_MARGIN (TTL - 1)
#else
#define WITH_CLOCK_MARGIN TTL
#endif

/* ---- state ---- */

/* What Order says; kNone: the message renews what stands. */
#define NONE 0
#define STANDBY 1
#define ACTIVE 2

typedef Report {
  byte id;
  bit holding;
  byte epoch; /* of the lease that is held */
  byte void_before;
#if CONTROLLERS > 1
  byte highest_epoch;
  bit followed_other;
  byte follows; /* 0: not; else what is left of HEARD_FOR since the newest answer that was heard was sent */
#endif
}

typedef Orders {
  byte answers;
  byte order;
  byte epoch;
#if CONTROLLERS > 1
  byte left; /* of HEARD_FOR since it was sent */
#endif
}

/* 0, what can be in use at once (Normalise), and one more within a step. */
#define IDS (3 + CONTROLLERS * (2 + REPORTS + ORDERS))

/* An executor, its disk and its kernel. */
typedef NodeState {
  byte gate; /* the kernel's: open while above 0 */
  /* disk */
  byte highest_epoch;
  bit longest_promise;
#if CONTROLLERS > 1
  byte controller; /* the identity that is followed */
#endif
  /* class Lease */
  bit taken;
  byte end;
  byte promised_until;
  byte epoch;
  byte void_before;
  byte newest_obeyed;
  /* class Node */
  byte next_number;
  byte stamps[IDS]; /* by report: what is left of a ttl that began at its stamp */
  byte stream;      /* to which controller */
#if CONTROLLERS > 1
  byte heard;
  byte answered; /* what is left of HEARD_FOR since the newest answer of this stream was sent */
#endif
  byte standing;
  byte standing_epoch;
  byte bound; /* class Bonds */
}
NodeState node[NODES];

/* A promise between two nodes, class PromisesHeld at one end. */
#define REQUEST 1
#define REPLY 2
typedef Promise {
  byte way; /* what is on its way */
  byte epoch;
  byte left; /* of ttl since the asking */
  byte held; /* until when it has been given */
}
Promise promise[NODES * NODES];
#define PROMISE(holder, peer) promise[(holder)*NODES + (peer)]

/* What a controller knows of a node (Decision::NodeState, LeaseBook::Entry), and the stream between them. */
typedef Link {
  bit connected;
  bit reported;
  /* of the newest report */
  bit holding;
  byte epoch;
#if CONTROLLERS > 1
  byte highest_epoch;
  byte follows;
#endif
  byte newest_report;
  byte standing;
  byte standing_epoch;
  /* the lease book */
  byte end;
  bit assumed; /* grants of an earlier run may run until adopt_until */
  bit unknown_grants;
  byte newest_answered;
  /* on their way */
  byte reports;
  Report report[REPORTS];
  byte orders;
  Orders order[ORDERS];
}
Link link[CONTROLLERS * NODES];
#define LINK(c, n) link[(c)*NODES + (n)]

/* class Decision. A move that has neither ordered a release nor told an epoch shows nowhere. */
typedef DecisionState {
  byte store_epoch; /* on disk */
  byte epoch;
  bit adopting;
  byte adopt_until;
#if CONTROLLERS > 1
  bit established;
  bit store_established; /* on disk */
#endif
  byte active_node;
  bit release_ordered; /* the active one is ordered to release */
  byte seized;         /* which node has been told the new epoch ahead */
  byte move_epoch;
}
DecisionState decision[CONTROLLERS];

#if CONTROLLERS == 1
/* The highest epoch that anybody was made active under. */
byte newest_activated;
#endif

/* What must be reachable, or the checks would prove nothing: each REACH_ asserts that it never comes. */
#ifdef REACH
byte last_holder = NOBODY;
byte holders; /* how often it was another than before */
#endif

byte executor_restarts = EXECUTOR_RESTARTS;
byte host_reboots = HOST_REBOOTS;
byte controller_restarts = CONTROLLER_RESTARTS;
byte stream_losses = STREAM_LOSSES;
byte promise_losses = PROMISE_LOSSES;
byte give_ups = GIVE_UPS;
byte dials = DIALS;
#define SPEND(budget)                        \
  if                                         \
  :: budget != UNLIMITED -> budget = budget - 1 \
  :: else                                    \
  fi

/* Of one step only. A breadth-first search can't hide them: there each step ends with Done. */
#ifdef BREADTH_FIRST
#define STEP_LOCAL
#else
#define STEP_LOCAL hidden
#endif
STEP_LOCAL int used;
STEP_LOCAL int answerable;
STEP_LOCAL byte renamed[IDS];
STEP_LOCAL byte i;
STEP_LOCAL byte j;
STEP_LOCAL byte k;
STEP_LOCAL byte answers;
STEP_LOCAL byte want;
STEP_LOCAL byte want_epoch;
STEP_LOCAL byte until;
STEP_LOCAL byte flag;
STEP_LOCAL byte first;

inline Done() {
#ifdef BREADTH_FIRST
  for (i : 0 .. IDS - 1) {
    renamed[i] = 0
  }
  used = 0;
  answerable = 0;
  i = 0;
  j = 0;
  k = 0;
  answers = 0;
  want = 0;
  want_epoch = 0;
  until = 0;
  flag = 0;
  first = 0;
#endif
  skip
}

/* ---- what must hold ---- */

#define OPEN(n) (node[n].gate > 0)

inline CheckOneHolder() {
  assert(!(OPEN(0) && OPEN(1)));
#if NODES > 2
  assert(!(OPEN(0) && OPEN(2)) && !(OPEN(1) && OPEN(2)));
#endif
}

/* ---- report numbers ---- */

#define USE(x) used = used | (1 << (x))
#define ANSWERABLE(x) answerable = answerable | (1 << (x))
#define RENAME(x) x = renamed[x]

#define ORDER(c, n) LINK(c, n).order[0]

inline PopOrder(c, n) {
  LINK(c, n).orders--;
  for (i : 0 .. ORDERS - 2) {
    LINK(c, n).order[i].answers = LINK(c, n).order[i + 1].answers;
    LINK(c, n).order[i].order = LINK(c, n).order[i + 1].order;
#if CONTROLLERS > 1
    LINK(c, n).order[i].left = LINK(c, n).order[i + 1].left;
#endif
    LINK(c, n).order[i].epoch = LINK(c, n).order[i + 1].epoch
  }
#if CONTROLLERS > 1
  LINK(c, n).order[ORDERS - 1].left = 0;
#endif
  LINK(c, n).order[ORDERS - 1].answers = 0;
  LINK(c, n).order[ORDERS - 1].order = NONE;
  LINK(c, n).order[ORDERS - 1].epoch = 0
}

/* Of the numbers that only bound others from below, the next that is in use says the same. */
inline Normalise(n) {
  answerable = 0;
  used = 0;
#if CONTROLLERS == 1 && !defined(MUTANT_LEASE_FROM_RECEIPT)
  /* A renewal that is too late by now changes nothing. */
  do
  :: LINK(0, n).orders > 0 && ORDER(0, n).order == NONE && node[n].stamps[ORDER(0, n).answers] == 0 -> PopOrder(0, n)
  :: else -> break
  od;
#endif
  USE(node[n].next_number);
  for (i : 0 .. CONTROLLERS - 1) {
    USE(LINK(i, n).newest_answered);
    ANSWERABLE(LINK(i, n).newest_report);
    j = 0;
    do
    :: j < LINK(i, n).reports ->
      ANSWERABLE(LINK(i, n).report[j].id);
      j++
    :: else -> break
    od;
    j = 0;
    do
    :: j < LINK(i, n).orders ->
      ANSWERABLE(LINK(i, n).order[j].answers);
      j++
    :: else -> break
    od
  }
  if
  :: (answerable & ((1 << node[n].newest_obeyed) - 1) & ~1) == 0 -> node[n].newest_obeyed = 0
  :: else
  fi;
  used = used | answerable;
  k = 1;
  j = 1;
  do
  :: j < IDS ->
    renamed[j] = k;
    if
    :: used & (1 << j) ->
      node[n].stamps[k] = (answerable & (1 << j) -> node[n].stamps[j] : 0);
      k++
    :: else
    fi;
    j++
  :: else -> break
  od;
  do
  :: k < IDS ->
    node[n].stamps[k] = 0;
    k++
  :: else -> break
  od;
  RENAME(node[n].next_number);
  RENAME(node[n].void_before);
  RENAME(node[n].newest_obeyed);
  for (i : 0 .. CONTROLLERS - 1) {
    RENAME(LINK(i, n).newest_answered);
    RENAME(LINK(i, n).newest_report);
    j = 0;
    do
    :: j < LINK(i, n).reports ->
      RENAME(LINK(i, n).report[j].id);
      RENAME(LINK(i, n).report[j].void_before);
      j++
    :: else -> break
    od;
    j = 0;
    do
    :: j < LINK(i, n).orders ->
      RENAME(LINK(i, n).order[j].answers);
      j++
    :: else -> break
    od
  }
}

/* ---- the executor: class Lease ---- */

inline SyncGate(n) {
  node[n].gate = (node[n].taken -> MAX(node[n].end, node[n].promised_until) : 0);
  CheckOneHolder()
}

inline ClearPromises(n) {
  for (i : 0 .. NODES - 1) {
    PROMISE(n, i).held = 0
  }
}

inline GiveUp(n) {
  node[n].taken = 0;
  node[n].end = 0;
  node[n].promised_until = 0;
  node[n].epoch = 0;
  node[n].void_before = node[n].next_number;
  ClearPromises(n);
  SyncGate(n)
}

inline CheckExpiry(n) {
  if
  :: node[n].taken && node[n].end == 0 && node[n].promised_until == 0 -> GiveUp(n)
  :: else
  fi
}

#ifdef MUTANT_LEASE_FROM_RECEIPT
#define IN_TIME(n, a) (a != 0)
#define LEASE_END(n, a) TTL
#else
#define IN_TIME(n, a) (node[n].stamps[a] > 0)
#define LEASE_END(n, a) node[n].stamps[a]
#endif
#ifdef MUTANT_ACCEPT_VOIDED_ANSWER
#define NOT_VOID(n, a) true
#else
#define NOT_VOID(n, a) (a >= node[n].void_before)
#endif
#ifdef MUTANT_ACTIVATE_WHILE_BOUND
#define MAY_BECOME_ACTIVE(n) true
#else
#define MAY_BECOME_ACTIVE(n) (node[n].taken || node[n].bound == 0)
#endif

inline NoteHolder(n) {
#ifdef REACH
  if
  :: last_holder != n -> last_holder = n; holders++
  :: else
  fi;
#endif
#ifdef REACH_ACTIVE
  assert(holders < 1);
#endif
#ifdef REACH_FAILOVER
  assert(holders < 2);
#endif
#ifdef REACH_FAILBACK
  assert(holders < 3);
#endif
#ifdef REACH_SECOND_CONTROLLER_GRANTS
  assert(holders < 2 || node[n].stream != 1);
#endif
  skip
}

inline TakeLease(n, a) {
  if
  :: MAY_BECOME_ACTIVE(n) && IN_TIME(n, a) && NOT_VOID(n, a) && a >= node[n].newest_obeyed ->
    if
    :: !node[n].taken ->
      ClearPromises(n);
      NoteHolder(n)
    :: node[n].taken && node[n].epoch != node[n].standing_epoch -> node[n].promised_until = 0
    :: else
    fi;
    node[n].taken = 1;
    node[n].end = LEASE_END(n, a);
    node[n].epoch = node[n].standing_epoch;
    node[n].newest_obeyed = a;
    SyncGate(n)
  :: else
  fi
}

/* ---- the executor: class Node ---- */

#define STREAMS(c, n) (node[n].stream == c)

/* L11. On the node's own clock, which may be the fastest. */
#define HEARD_FOR (TTL > 1 -> TTL - 1 : 1)
#if CONTROLLERS == 1 || defined(MUTANT_TWO_IDENTITIES_FOLLOWED)
#define CHECK_CONTROLLER(c, n) true
#else
#define CHECK_CONTROLLER(c, n)                                                     \
  (node[n].controller == NO_CONTROLLER || node[n].controller == c ||                \
   node[n].heard == 0 && !(node[n].taken && node[n].end > 0))
#endif

inline DropOrders(c, n) {
  for (i : 0 .. ORDERS - 1) {
    LINK(c, n).order[i].answers = 0;
    LINK(c, n).order[i].order = NONE;
#if CONTROLLERS > 1
    LINK(c, n).order[i].left = 0;
#endif
    LINK(c, n).order[i].epoch = 0
  }
  LINK(c, n).orders = 0
}

inline DropReports(c, n) {
  for (i : 0 .. REPORTS - 1) {
    LINK(c, n).report[i].id = 0;
    LINK(c, n).report[i].holding = 0;
    LINK(c, n).report[i].epoch = 0;
    LINK(c, n).report[i].void_before = 0;
#if CONTROLLERS > 1
    LINK(c, n).report[i].highest_epoch = 0;
    LINK(c, n).report[i].followed_other = 0;
    LINK(c, n).report[i].follows = 0
#endif
  }
  LINK(c, n).reports = 0
}

/* The node's end of its stream. What it had sent may still arrive. */
inline NodeStreamClosed(n) {
  if
  :: node[n].stream != NO_CONTROLLER -> DropOrders(node[n].stream, n)
  :: else
  fi;
  for (i : 0 .. IDS - 1) {
    node[n].stamps[i] = 0
  }
#if CONTROLLERS > 1
  node[n].answered = 0;
#endif
  node[n].stream = NO_CONTROLLER;
  node[n].standing = NONE;
  node[n].standing_epoch = 0
}

inline Compose(c, n) {
  k = LINK(c, n).reports;
  LINK(c, n).report[k].id = node[n].next_number;
  LINK(c, n).report[k].holding = node[n].taken;
  LINK(c, n).report[k].epoch = node[n].epoch;
  LINK(c, n).report[k].void_before = (node[n].taken -> 0 : node[n].void_before);
#if CONTROLLERS > 1
  LINK(c, n).report[k].highest_epoch = node[n].highest_epoch;
  LINK(c, n).report[k].followed_other = (node[n].controller != NO_CONTROLLER && node[n].controller != c);
#ifdef MUTANT_STALE_FOLLOWER_COUNTS
  LINK(c, n).report[k].follows = (node[n].controller == c);
#else
  LINK(c, n).report[k].follows = (node[n].controller == c -> node[n].answered : 0);
#endif
#endif
  LINK(c, n).reports++;
  node[n].stamps[node[n].next_number] = TTL;
  node[n].next_number++;
  Normalise(n)
}

inline RaiseHighestEpoch(n, to) {
  node[n].highest_epoch = MAX(node[n].highest_epoch, to)
}

#ifdef MUTANT_ACCEPT_LOWER_EPOCH
#define CHECK_EPOCH(n, e) true
#else
#define CHECK_EPOCH(n, e) (e >= node[n].highest_epoch)
#endif

inline Receive(c, n) {
  if
  :: !CHECK_EPOCH(n, ORDER(c, n).epoch) ->
    /* Supersede */
    node[n].standing = NONE;
    node[n].standing_epoch = 0
  :: else ->
    assert(ORDER(c, n).epoch >= node[n].highest_epoch);
    RaiseHighestEpoch(n, ORDER(c, n).epoch);
    if
    :: ORDER(c, n).order == STANDBY ->
      node[n].standing = NONE;
      node[n].standing_epoch = 0;
      GiveUp(n)
    :: else ->
      node[n].standing = ACTIVE;
      node[n].standing_epoch = ORDER(c, n).epoch
    fi
  fi
}

inline Obey(c, n) {
#if CONTROLLERS > 1
  node[n].heard = HEARD_FOR;
  node[n].controller = c; /* AdoptSpec */
  node[n].answered = LINK(c, n).order[0].left;
#endif
  if
  :: LINK(c, n).order[0].order != NONE -> Receive(c, n)
  :: else
  fi;
  if
  :: node[n].standing == ACTIVE ->
    answers = LINK(c, n).order[0].answers;
    TakeLease(n, answers)
  :: else
  fi;
  PopOrder(c, n);
  Normalise(n)
}

/* A process ends and another begins. Between the two only the gate runs on, as it does while a process does nothing:
 * so this is one step. `adopts`: the gate that it finds open is taken up (AdoptLease); else it is closed. */
inline RestartExecutor(n, adopts) {
  NodeStreamClosed(n);
#ifdef MUTANT_REPORT_NUMBERS_RESTART
  node[n].next_number = 1;
#endif
  node[n].void_before = node[n].next_number;
  node[n].newest_obeyed = 0;
  ClearPromises(n);
  for (i : 0 .. NODES - 1) {
    /* Its own requests may still arrive; answers to them, and requests to it, do not. */
    PROMISE(n, i).left = 0;
    if
    :: PROMISE(n, i).way == REPLY -> PROMISE(n, i).way = 0; PROMISE(n, i).epoch = 0
    :: else
    fi;
    if
    :: PROMISE(i, n).way == REQUEST ->
      PROMISE(i, n).way = 0;
      PROMISE(i, n).epoch = 0;
      PROMISE(i, n).left = 0
    :: else
    fi
  }
#ifdef MUTANT_FORGET_PROMISES_ON_RESTART
  node[n].bound = 0;
  node[n].longest_promise = 0;
#else
  node[n].bound = (node[n].longest_promise -> WITH_CLOCK_MARGIN : 0);
#endif
#if CONTROLLERS > 1
  node[n].heard = HEARD_FOR;
#endif
  node[n].promised_until = 0;
  if
  :: adopts && node[n].gate > 0 ->
    node[n].end = node[n].gate;
#ifdef REACH_LEASE_TAKEN_UP
    assert(false)
#endif
  :: else ->
    node[n].taken = 0;
    node[n].end = 0;
    node[n].epoch = 0;
    node[n].gate = 0
  fi;
  Normalise(n)
}

/* ---- promises ---- */

#ifdef MUTANT_PROMISE_WHILE_HOLDING
#define WHY_NO_PROMISE(p) false
#else
#define WHY_NO_PROMISE(p) (node[p].taken || node[p].standing == ACTIVE)
#endif

inline DropPromise(h, p) {
  PROMISE(h, p).way = 0;
  PROMISE(h, p).epoch = 0;
  PROMISE(h, p).left = 0
}

inline PromiseAsked(h, p) {
  if
  :: !CHECK_EPOCH(p, PROMISE(h, p).epoch) || WHY_NO_PROMISE(p) -> DropPromise(h, p)
  :: else ->
    assert(PROMISE(h, p).epoch >= node[p].highest_epoch);
    RaiseHighestEpoch(p, PROMISE(h, p).epoch);
    node[p].longest_promise = 1;
    node[p].bound = WITH_CLOCK_MARGIN;
    PROMISE(h, p).way = REPLY;
    if
    :: PROMISE(h, p).left == 0 -> DropPromise(h, p)
    :: else
    fi
  fi
}

inline AskPromises(h, p) {
  PROMISE(h, p).way = REQUEST;
  PROMISE(h, p).epoch = node[h].epoch;
  PROMISE(h, p).left = TTL;
#if !LATE_REQUESTS
  PromiseAsked(h, p)
#endif
}

inline PromiseAnswered(h, p) {
  if
  :: node[h].taken && PROMISE(h, p).epoch == node[h].epoch ->
#ifdef MUTANT_PROMISE_FROM_ANSWER
    PROMISE(h, p).left = TTL;
#endif
    PROMISE(h, p).held = MAX(PROMISE(h, p).held, PROMISE(h, p).left);
    until = TTL;
    for (i : 0 .. NODES - 1) {
      if
      :: i != h && PROMISE(h, i).held < until -> until = PROMISE(h, i).held
      :: else
      fi
    }
    node[h].promised_until = MAX(node[h].promised_until, until);
    SyncGate(h)
  :: else
  fi;
  DropPromise(h, p)
}

/* ---- the controller: class LeaseBook ---- */

inline AssumeGrantsUntil(c) {
  for (i : 0 .. NODES - 1) {
    LINK(c, i).assumed = 1;
#ifndef MUTANT_NEWEST_ANSWERED_ZERO_AFTER_RESTART
    LINK(c, i).unknown_grants = 1
#endif
  }
}

inline Granted(c, n, a) {
  LINK(c, n).end = MAX(LINK(c, n).end, WITH_CLOCK_MARGIN);
  LINK(c, n).newest_answered = MAX(LINK(c, n).newest_answered, a);
  LINK(c, n).unknown_grants = 0
}

#ifdef MUTANT_NOT_ACTIVE_IS_RELEASED
#define RELEASE_PROVEN(c, n) (!LINK(c, n).report[0].holding)
#else
#define RELEASE_PROVEN(c, n)                                                                        \
  (!LINK(c, n).report[0].holding && !LINK(c, n).unknown_grants &&                                   \
   LINK(c, n).report[0].void_before > LINK(c, n).newest_answered)
#endif
#ifdef MUTANT_SKIP_L3_WAIT
#define BOOK_END(c, n) 0
#else
#define BOOK_END(c, n) MAX(LINK(c, n).end, (LINK(c, n).assumed -> decision[c].adopt_until : 0))
#endif

/* Grants of an earlier run are assumed of a node that says that it holds nothing. */
#define ASSUMED_IDLY(c, n) (LINK(c, n).assumed && !LINK(c, n).holding)

#define BOOK_ENDED(c, n) (LINK(c, n).end == 0 && (!LINK(c, n).assumed || decision[c].adopt_until == 0))

/* An entry that has run out, or that a release has settled, says nothing any more: the next grant begins a new one. */
inline Settle(c, n) {
  LINK(c, n).end = 0;
  LINK(c, n).assumed = 0;
  LINK(c, n).unknown_grants = 0;
  LINK(c, n).newest_answered = 0
}

/* ---- the controller: class Decision ---- */

#define HEARS(c, n) (LINK(c, n).connected && LINK(c, n).reported)
#if CONTROLLERS == 1
#define ESTABLISHED(c) true
#define MAY_INTRODUCE(c) true
#else
#define ESTABLISHED(c) decision[c].established
#ifdef MUTANT_OTHER_FORGOTTEN_UNSAVED
#define MAY_INTRODUCE(c) true
#else
#define MAY_INTRODUCE(c) (decision[c].established || !decision[c].store_established)
#endif
#endif
#define CLEAR(c, n) (BOOK_END(c, n) == 0)
#define ROOM(c, n) (!STREAMS(c, n) || LINK(c, n).orders < ORDERS)
#if NODES == 2
#define OTHERS_CLEAR(c, to) CLEAR(c, 1 - (to))
#define ROOM_FOR_ALL(c) (ROOM(c, 0) && ROOM(c, 1))
#define ALL_HEARD(c) (HEARS(c, 0) && HEARS(c, 1))
#define ALL_FOLLOW(c) (ALL_HEARD(c) && LINK(c, 0).follows > 0 && LINK(c, 1).follows > 0)
#define NONE_HOLDS(c) (!LINK(c, 0).holding && !LINK(c, 1).holding)
#define ANY_ASSUMED_IDLY(c) (ASSUMED_IDLY(c, 0) || ASSUMED_IDLY(c, 1))
#define NONE_HIGHER(c, n) (!HEARS(c, 1 - (n)) || !LINK(c, 1 - (n)).holding || LINK(c, 1 - (n)).epoch <= LINK(c, n).epoch)
#else
#define OTHERS_CLEAR(c, to) (CLEAR(c, ((to) + 1) % 3) && CLEAR(c, ((to) + 2) % 3))
#define ROOM_FOR_ALL(c) (ROOM(c, 0) && ROOM(c, 1) && ROOM(c, 2))
#define ALL_HEARD(c) (HEARS(c, 0) && HEARS(c, 1) && HEARS(c, 2))
#define ALL_FOLLOW(c) (ALL_HEARD(c) && LINK(c, 0).follows > 0 && LINK(c, 1).follows > 0 && LINK(c, 2).follows > 0)
#define NONE_HOLDS(c) (!LINK(c, 0).holding && !LINK(c, 1).holding && !LINK(c, 2).holding)
#define ANY_ASSUMED_IDLY(c) (ASSUMED_IDLY(c, 0) || ASSUMED_IDLY(c, 1) || ASSUMED_IDLY(c, 2))
#define NOT_HIGHER(c, n, m) (!HEARS(c, m) || !LINK(c, m).holding || LINK(c, m).epoch <= LINK(c, n).epoch)
#define NONE_HIGHER(c, n) (NOT_HIGHER(c, n, ((n) + 1) % 3) && NOT_HIGHER(c, n, ((n) + 2) % 3))
#endif

inline PushOrder(c, n, what, e) {
  if
  :: STREAMS(c, n) ->
    k = LINK(c, n).orders;
    LINK(c, n).order[k].answers = LINK(c, n).newest_report;
    LINK(c, n).order[k].order = what;
    LINK(c, n).order[k].epoch = e;
#if CONTROLLERS > 1
    LINK(c, n).order[k].left = HEARD_FOR;
#endif
    LINK(c, n).orders++
  :: else /* sent into a stream that has ended over there */
  fi
}

inline SendOrderTo(c, n) {
  if
  :: HEARS(c, n) && !decision[c].adopting && decision[c].epoch != 0 && MAY_INTRODUCE(c) ->
    want = (decision[c].active_node == n && !decision[c].release_ordered -> ACTIVE : STANDBY);
    want_epoch = (decision[c].seized == n && decision[c].active_node != n -> decision[c].move_epoch : decision[c].epoch);
    if
    :: LINK(c, n).standing != want || LINK(c, n).standing_epoch != want_epoch ->
      LINK(c, n).standing = want;
      LINK(c, n).standing_epoch = want_epoch;
      if
      :: want == ACTIVE -> answers = LINK(c, n).newest_report; Granted(c, n, answers)
      :: else
      fi;
      PushOrder(c, n, want, want_epoch);
      flag = 1
    :: else
    fi
  :: else
  fi
}

inline SendOrders(c) {
  for (j : 0 .. NODES - 1) {
    SendOrderTo(c, j)
  }
  /* After the loops: Normalise has loop variables of its own. */
  Normalise(0);
  Normalise(1);
#if NODES > 2
  Normalise(2)
#endif
}

inline DropMove(c) {
  decision[c].release_ordered = 0;
  decision[c].seized = NOBODY;
  decision[c].move_epoch = 0
}

inline Adopt(c, n) {
#ifdef REACH_ADOPTED
  assert(false);
#endif
  decision[c].adopting = 0;
  decision[c].active_node = n;
  ForgetHolders(c);
  DropMove(c)
}

/* L5, when what is outstanding is not known. */
inline TakeStock(c) {
  DropMove(c);
  decision[c].active_node = NOBODY;
  decision[c].adopting = 1;
  decision[c].adopt_until = WITH_CLOCK_MARGIN;
  AssumeGrantsUntil(c)
}

/* One above what is stored and what is known of the nodes, on disk before it is used. */
inline ReserveEpoch(c) {
  want_epoch = MAX(decision[c].store_epoch, decision[c].epoch);
#if CONTROLLERS > 1
  for (i : 0 .. NODES - 1) {
    want_epoch = MAX(want_epoch, LINK(c, i).highest_epoch)
  }
#endif
  want_epoch++;
#ifndef MUTANT_GRANT_BEFORE_EPOCH_STORED
  decision[c].store_epoch = want_epoch
#endif
}

inline NothingAssumed(c) {
  for (i : 0 .. NODES - 1) {
    if
    :: !LINK(c, i).holding ->
      LINK(c, i).assumed = 0;
      LINK(c, i).unknown_grants = 0
    :: else
    fi
  }
}

inline DropLink(c, n) {
  LINK(c, n).connected = 0;
  LINK(c, n).reported = 0;
  LINK(c, n).newest_report = 0;
  LINK(c, n).standing = NONE;
  LINK(c, n).standing_epoch = 0;
#if CONTROLLERS > 1
  LINK(c, n).follows = 0;
#endif
  DropReports(c, n)
}

/* Who holds matters only while nobody is known to be active. */
inline ForgetHolders(c) {
#if CONTROLLERS == 1
  for (i : 0 .. NODES - 1) {
    LINK(c, i).holding = 0;
    LINK(c, i).epoch = 0
  }
#endif
  skip
}

#if CONTROLLERS > 1
#define MINE(c) \
  (decision[c].active_node != NOBODY && HEARS(c, decision[c].active_node) && LINK(c, decision[c].active_node).follows > 0)

inline NoticeReport(c, n) {
  if
  :: first && LINK(c, n).report[0].followed_other && decision[c].established && !MINE(c) ->
    /* Somebody else has led it meanwhile. */
    decision[c].established = 0;
#if !LATE_SAVE
    decision[c].store_established = 0;
#endif
    TakeStock(c)
  :: else
  fi;
  LINK(c, n).follows = MAX(LINK(c, n).follows, LINK(c, n).report[0].follows);
  LINK(c, n).highest_epoch = LINK(c, n).report[0].highest_epoch;
  if
  :: LINK(c, n).highest_epoch > decision[c].epoch &&
     (decision[c].seized == NOBODY || LINK(c, n).highest_epoch > decision[c].move_epoch) ->
    /* Somebody granted under a higher epoch than this store knows. */
    decision[c].epoch = LINK(c, n).highest_epoch;
    ReserveEpoch(c);
    decision[c].epoch = want_epoch;
    DropMove(c);
    if
    :: decision[c].active_node != n || !LINK(c, n).report[0].holding -> TakeStock(c)
    :: else
    fi
  :: else
  fi
}
#endif

inline ReportSeen(c, n) {
  first = !LINK(c, n).reported;
#if CONTROLLERS > 1
  NoticeReport(c, n);
#endif
  LINK(c, n).reported = 1;
  LINK(c, n).holding = LINK(c, n).report[0].holding;
  LINK(c, n).epoch = LINK(c, n).report[0].epoch;
  LINK(c, n).newest_report = LINK(c, n).report[0].id;
  if
  :: RELEASE_PROVEN(c, n) -> Settle(c, n)
  :: else
  fi;
  LINK(c, n).reports--;
  for (i : 0 .. REPORTS - 2) {
    LINK(c, n).report[i].id = LINK(c, n).report[i + 1].id;
    LINK(c, n).report[i].holding = LINK(c, n).report[i + 1].holding;
    LINK(c, n).report[i].epoch = LINK(c, n).report[i + 1].epoch;
    LINK(c, n).report[i].void_before = LINK(c, n).report[i + 1].void_before;
#if CONTROLLERS > 1
    LINK(c, n).report[i].highest_epoch = LINK(c, n).report[i + 1].highest_epoch;
    LINK(c, n).report[i].followed_other = LINK(c, n).report[i + 1].followed_other;
    LINK(c, n).report[i].follows = LINK(c, n).report[i + 1].follows
#endif
  }
#if CONTROLLERS > 1
  LINK(c, n).report[REPORTS - 1].highest_epoch = 0;
  LINK(c, n).report[REPORTS - 1].followed_other = 0;
  LINK(c, n).report[REPORTS - 1].follows = 0;
#endif
  LINK(c, n).report[REPORTS - 1].id = 0;
  LINK(c, n).report[REPORTS - 1].holding = 0;
  LINK(c, n).report[REPORTS - 1].epoch = 0;
  LINK(c, n).report[REPORTS - 1].void_before = 0;
  if
  :: decision[c].active_node != NOBODY -> ForgetHolders(c)
  :: else
  fi;
  /* The answer to every report renews what stands. */
  flag = 0;
  if
  :: LINK(c, n).standing == ACTIVE -> answers = LINK(c, n).newest_report; Granted(c, n, answers)
  :: else
  fi;
  SendOrderTo(c, n);
  if
  :: !flag && (LINK(c, n).standing == ACTIVE || CONTROLLERS > 1) && MAY_INTRODUCE(c) -> PushOrder(c, n, NONE, 0)
  :: else
  fi;
  Normalise(n)
}

inline StreamOpened(c, n) {
  NodeStreamClosed(n);
  node[n].stream = c;
#if CONTROLLERS > 1
  node[n].heard = HEARD_FOR;
#endif
  LINK(c, n).connected = 1;
  Normalise(n)
}

/* ---- the parties ---- */

proctype Executor(byte c; byte n) {
  do
  :: d_step { STREAMS(c, n) && LINK(c, n).connected && LINK(c, n).reports < REPORTS -> Compose(c, n); Done() }
  :: d_step { STREAMS(c, n) && LINK(c, n).orders > 0 -> Obey(c, n); Done() }
  :: d_step { STREAMS(c, n) && !LINK(c, n).connected -> NodeStreamClosed(n); Normalise(n); Done() }
  :: d_step { STREAMS(c, n) && LINK(c, n).connected && stream_losses > 0 ->
      SPEND(stream_losses); NodeStreamClosed(n); Normalise(n); Done() }
  od
}

proctype Host(byte n) {
  do
  :: d_step { node[n].taken && give_ups > 0 -> SPEND(give_ups); GiveUp(n); Normalise(n); Done() }
  :: d_step { executor_restarts > 0 -> SPEND(executor_restarts); RestartExecutor(n, true); Done() }
  :: d_step { executor_restarts > 0 && node[n].taken -> SPEND(executor_restarts); RestartExecutor(n, false); Done() }
  :: d_step { host_reboots > 0 -> SPEND(host_reboots); node[n].gate = 0; RestartExecutor(n, false); Done() }
  od
}

proctype PeerPromise(byte h; byte p) {
  do
  :: d_step { node[h].taken && node[h].end <= TTL / 2 && PROMISE(h, p).way == 0 -> AskPromises(h, p); Done() }
  :: d_step { PROMISE(h, p).way == REQUEST -> PromiseAsked(h, p); Done() }
  :: d_step { PROMISE(h, p).way == REPLY -> PromiseAnswered(h, p); Done() }
  :: d_step { PROMISE(h, p).way != 0 && promise_losses > 0 -> SPEND(promise_losses); DropPromise(h, p); Done() }
  od
}

proctype ExecutorLink(byte c; byte n) {
  do
  :: d_step { !LINK(c, n).connected && CHECK_CONTROLLER(c, n) && dials > 0 -> SPEND(dials); StreamOpened(c, n); Done() }
  :: d_step { LINK(c, n).reports > 0 && ROOM(c, n) -> ReportSeen(c, n); Done() }
  :: d_step { LINK(c, n).connected && !STREAMS(c, n) -> DropLink(c, n); Normalise(n); Done() }
  :: d_step { LINK(c, n).connected && STREAMS(c, n) && stream_losses > 0 ->
      SPEND(stream_losses); DropLink(c, n); Normalise(n); Done() }
  od
}

/* What concerns one node. */
proctype Decision(byte c; byte n) {
  do
  :: d_step { /* TryAdopt, AdoptLate */
      decision[c].active_node == NOBODY && HEARS(c, n) && LINK(c, n).holding && NONE_HIGHER(c, n) && ROOM_FOR_ALL(c) &&
      ESTABLISHED(c) && (!decision[c].adopting || ALL_HEARD(c) || decision[c].adopt_until == 0 ||
       LINK(c, n).epoch >= decision[c].epoch
#ifdef MUTANT_ADOPT_LOWER_EPOCH
       || true
#endif
      ) ->
      if
      :: decision[c].adopting && ALL_HEARD(c) -> NothingAssumed(c)
      :: else
      fi;
      Adopt(c, n);
      SendOrders(c); Done() }
  :: d_step { /* AdvanceReleasing: the epoch goes ahead to a node whose promise may keep a holder that is out of reach */
      MOVES && !decision[c].adopting && decision[c].active_node != n && HEARS(c, n) && decision[c].seized == NOBODY &&
#ifndef MUTANT_EPOCH_TOLD_BEFORE_RELEASE
      (decision[c].active_node == NOBODY || !HEARS(c, decision[c].active_node)) &&
#endif
      decision[c].store_epoch < MAX_EPOCH && ROOM(c, n) ->
      decision[c].seized = n;
      ReserveEpoch(c);
      decision[c].move_epoch = want_epoch;
      SendOrders(c); Done() }
  :: d_step { /* AdvanceReleasing: Activate */
      !decision[c].adopting && decision[c].active_node != n && HEARS(c, n) && OTHERS_CLEAR(c, n) &&
      (decision[c].seized == n || decision[c].seized == NOBODY && decision[c].store_epoch < MAX_EPOCH) &&
      ROOM_FOR_ALL(c) ->
      if
#ifdef REACH_SEIZED
      :: decision[c].seized == n -> assert(false)
#endif
      :: decision[c].seized == NOBODY -> ReserveEpoch(c); decision[c].move_epoch = want_epoch
      :: else
      fi;
#if CONTROLLERS == 1
      assert(decision[c].move_epoch > newest_activated); /* L4 */
      newest_activated = decision[c].move_epoch;
#endif
      decision[c].epoch = decision[c].move_epoch;
      decision[c].active_node = n;
      DropMove(c);
      ForgetHolders(c);
      SendOrders(c); Done() }
  :: d_step { /* AdvanceReleasing: the active one is ordered to release */
      MOVES && decision[c].active_node == n && !decision[c].release_ordered && HEARS(c, n) && ROOM(c, n) ->
      decision[c].release_ordered = 1;
      SendOrders(c); Done() }
  od
}

/* What concerns all. */
proctype Controller(byte c) {
  byte n;
  do
  :: d_step { /* TryAdopt: nobody holds */
      decision[c].adopting && ESTABLISHED(c) && decision[c].adopt_until == 0 && ROOM_FOR_ALL(c) ->
      decision[c].adopting = 0;
      SendOrders(c); Done() }
  :: d_step {
      decision[c].adopting && ESTABLISHED(c) && ALL_HEARD(c) && NONE_HOLDS(c) && ROOM_FOR_ALL(c) ->
      NothingAssumed(c);
      decision[c].adopting = 0;
      SendOrders(c); Done() }
  :: d_step { /* NoticeAllSeen, after the adoption */
      !decision[c].adopting && ESTABLISHED(c) && ALL_HEARD(c) && ANY_ASSUMED_IDLY(c) ->
      NothingAssumed(c); Done() }
#if CONTROLLERS > 1
  :: d_step { /* Establish */
      !decision[c].established && ALL_FOLLOW(c) ->
      decision[c].established = 1;
#if !LATE_SAVE
      decision[c].store_established = 1;
#endif
      Done() }
#if LATE_SAVE
  :: d_step { /* Save: the store is slower than the network */
      decision[c].store_established != decision[c].established ->
      decision[c].store_established = decision[c].established;
      Done() }
#endif
#endif
  :: d_step { /* AbandonMove */
      (decision[c].release_ordered || decision[c].seized != NOBODY) && ROOM_FOR_ALL(c) ->
      if
      :: decision[c].seized != NOBODY -> decision[c].epoch = decision[c].move_epoch
      :: else
      fi;
      DropMove(c);
      SendOrders(c); Done() }
  :: d_step { controller_restarts > 0 ->
      SPEND(controller_restarts);
      for (n : 0 .. NODES - 1) {
        DropLink(c, n);
        LINK(c, n).holding = 0;
        LINK(c, n).epoch = 0;
#if CONTROLLERS > 1
        LINK(c, n).highest_epoch = 0;
#endif
        LINK(c, n).end = 0;
        LINK(c, n).newest_answered = 0;
        Normalise(n)
      }
      n = 0;
      decision[c].epoch = decision[c].store_epoch;
#if CONTROLLERS > 1
      decision[c].established = decision[c].store_established;
#endif
      TakeStock(c); Done() }
  od
}

#define TICK(x) x = (x > 0 -> x - 1 : 0)

proctype Clock() {
  byte n;
  do
  :: d_step {
      true;
      for (i : 0 .. CONTROLLERS - 1) {
        TICK(decision[i].adopt_until)
      }
      for (n : 0 .. NODES - 1) {
        TICK(node[n].gate);
        TICK(node[n].end);
        TICK(node[n].promised_until);
        TICK(node[n].bound);
#if CONTROLLERS > 1
        TICK(node[n].heard);
        TICK(node[n].answered);
#endif
        if
        :: node[n].bound == 0 -> node[n].longest_promise = 0
        :: else
        fi;
        for (i : 0 .. IDS - 1) {
          TICK(node[n].stamps[i])
        }
        for (i : 0 .. NODES - 1) {
          TICK(PROMISE(n, i).left);
          TICK(PROMISE(n, i).held);
          if
          :: PROMISE(n, i).way == REPLY && PROMISE(n, i).left == 0 -> DropPromise(n, i)
          :: else
          fi
        }
        for (i : 0 .. CONTROLLERS - 1) {
          TICK(LINK(i, n).end);
#if CONTROLLERS > 1
#ifndef MUTANT_STALE_FOLLOWER_COUNTS
          TICK(LINK(i, n).follows);
          for (j : 0 .. REPORTS - 1) {
            TICK(LINK(i, n).report[j].follows)
          }
#endif
          for (j : 0 .. ORDERS - 1) {
            TICK(LINK(i, n).order[j].left)
          }
#endif
          if
          :: BOOK_ENDED(i, n) -> Settle(i, n)
          :: else
          fi
        }
        CheckExpiry(n);
#ifdef REACH_LIVES_BY_PROMISES
        assert(!node[n].taken || node[n].end > 0);
#endif
        Normalise(n)
      }
      n = 0; Done() }
  od
}

init {
  byte a;
  byte b;
  atomic {
    d_step {
      for (k : 0 .. CONTROLLERS - 1) {
        TakeStock(k)
      }
#if CONTROLLERS > 1
      decision[0].established = 1;
      decision[0].store_established = 1;
      /* It has just made node 1 active. */
      decision[0].adopting = 0;
      decision[0].adopt_until = 0;
      decision[0].active_node = 1;
      decision[0].epoch = 1;
      decision[0].store_epoch = 1;
      for (k : 0 .. NODES - 1) {
        Settle(0, k)
      }
#endif
      for (k : 0 .. NODES - 1) {
        node[k].next_number = 2;
        node[k].void_before = 1;
#if CONTROLLERS > 1
        /* Everybody follows the first, on a stream that is open; the second is new. Or it has taken node 0 already. */
        node[k].controller = (k == 0 -> FIRST_TAKEN : 0);
        node[k].stream = node[k].controller;
        node[k].heard = HEARD_FOR;
        LINK(node[k].controller, k).connected = 1;
#else
        node[k].stream = NO_CONTROLLER
#endif
      }
    }
    run Clock();
    for (a : 0 .. CONTROLLERS - 1) {
      run Controller(a);
      for (b : 0 .. NODES - 1) {
        run Decision(a, b);
        run ExecutorLink(a, b);
        run Executor(a, b)
      }
    }
    for (a : 0 .. NODES - 1) {
      run Host(a);
      for (b : 0 .. NODES - 1) {
        if
        :: a != b && PROMISES -> run PeerPromise(a, b)
        :: else
        fi
      }
    }
    a = 0;
    b = 0
  }
}
