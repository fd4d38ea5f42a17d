// The simulated network: packets that pass, are lost, late, doubled or overtaken, and streams over
// them as TCP has them: in order, each message until it arrives or the stream breaks. A message of
// a stream that has ended at its receiver dies there (L1).
#include <algorithm>
#include <utility>

#include "tests/sim/world.h"

namespace hb::sim {
namespace {

constexpr Time kRetransmit = 200 * kMillisecond;
// TCP_USER_TIMEOUT, as both daemons' keepalive sets it.
constexpr Time kGivenUpAfter = 3 * kSecond;

}  // namespace

bool World::Passes(int from, int to) const {
  if (!hosts_[from].up || !hosts_[to].up || hosts_[from].frozen) return false;
  if (from == to) return true;
  const auto has_link = [this](int host) { return host >= kMaxNodes || nodes_[host].link_up; };
  return has_link(from) && has_link(to) && !cut_[from][to];
}

bool World::PacketPasses(int from, int to) {
  return Passes(from, to) && (from == to || loss_ == 0 || !dice_.Percent(loss_));
}

Time World::Takes(Time least, Time most) {
  return plan_.steady ? least : dice_.Between(least, most);
}

int World::HostOfEnd(const Stream& stream, bool node_end) const {
  return node_end ? stream.node : controllers_[stream.controller].host;
}

void World::Send(uint64_t stream_id, int way, Message message) {
  const auto it = streams_.find(stream_id);
  if (it == streams_.end()) return;
  it->second.way[way].waiting.push_back(std::move(message));
  if (!it->second.way[way].pumping) Pump(stream_id, way);
}

void World::Pump(uint64_t stream_id, int way) {
  const auto it = streams_.find(stream_id);
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  Stream::Way& lane = stream.way[way];
  lane.pumping = false;
  const int from = HostOfEnd(stream, way == 1);
  const int to = HostOfEnd(stream, way == 0);
  while (!lane.waiting.empty()) {
    if (!PacketPasses(from, to)) {
      if (lane.stuck_since == kNever) lane.stuck_since = now_;
      if (now_ - lane.stuck_since > kGivenUpAfter) {
        // The sender's kernel gives up: its own end is closed, the other end hears nothing.
        const int node = stream.node;
        const int controller = stream.controller;
        const bool node_side = way == 1;
        streams_.erase(it);
        if (node_side && nodes_[node].stream == stream_id) {
          nodes_[node].stream.reset();
          if (nodes_[node].running) {
            nodes_[node].core->StreamClosed();
            Settle(node);
          }
        } else if (!node_side && controllers_[controller].running &&
                   controllers_[controller].links[node].stream == stream_id) {
          CloseLink(controller, node, "connection timed out");
        }
        return;
      }
      lane.pumping = true;
      Post(now_ + kRetransmit, Do::kStreamPump, way, 0, stream_id);
      return;
    }
    lane.stuck_since = kNever;
    lane.last_arrival = std::max(lane.last_arrival, now_ + Latency());
    lane.flying.push_back(std::move(lane.waiting.front()));
    lane.waiting.pop_front();
    Post(lane.last_arrival, Do::kStreamArrive, way, 0, stream_id);
  }
}

void World::Arrive(uint64_t stream_id, int way) {
  const auto it = streams_.find(stream_id);
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  if (stream.way[way].flying.empty()) return;
  const bool to_node = way == 0;
  const int host = HostOfEnd(stream, to_node);
  if (!hosts_[host].up) return;
  std::vector<Event>& backlog =
      to_node ? nodes_[stream.node].backlog : controllers_[stream.controller].backlog;
  const bool still = hosts_[host].frozen || (to_node ? nodes_[stream.node].paused
                                                     : controllers_[stream.controller].paused);
  if (still) {
    backlog.push_back({now_, 0, Do::kStreamArrive, way, 0, stream_id, 0});
    return;
  }
  Message message = std::move(stream.way[way].flying.front());
  stream.way[way].flying.pop_front();
  if (to_node) {
    NodeHears(stream.node, stream_id, message);
  } else {
    ControllerHears(stream.controller, stream_id, message);
  }
}

// All streams of this controller, of this node, or (both given) between them. With `say_so` the
// other ends are told, as a kernel does for a process that has ended.
void World::CloseStreams(int controller, int node, bool say_so) {
  std::vector<uint64_t> ids;
  for (const auto& [id, stream] : streams_) {
    if ((controller < 0 || stream.controller == controller) && (node < 0 || stream.node == node)) {
      ids.push_back(id);
    }
  }
  for (const uint64_t id : ids) {
    Stream& stream = streams_[id];
    const int way = node >= 0 ? 1 : 0;
    stream.way[way].waiting.clear();
    if (!say_so) {
      streams_.erase(id);  // nobody retransmits for a host without power
      continue;
    }
    Send(id, way, {Message::Kind::kClose, {}, {}});
  }
}

void World::AskPromise(int n, const executor::AskPromise& act) {
  Node& node = nodes_[n];
  const int to = act.peer.name[0] - 'a';
  Promise promise;
  promise.from = n;
  promise.to = to;
  promise.from_generation = node.generation;
  promise.asked = BootTime(n);
  promise.until = now_ + absl::ToInt64Nanoseconds(act.d) / 2;
  promise.request = {0, act.cluster, HostName(n), act.epoch, act.vips, act.d};
  const int copies = plan_.duplicates && dice_.OneIn(10) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (!PacketPasses(n, to)) continue;
    const uint64_t id = next_promise_++;
    promises_[id] = promise;
    Post(now_ + Latency(), Do::kPromiseAsked, to, 0, id);
  }
}

void World::AnswerPromise(int n, const executor::AnswerPromise& act) {
  Node& node = nodes_[n];
  const auto it = node.requests.find(act.request);
  if (it == node.requests.end()) return;
  const uint64_t id = it->second;
  node.requests.erase(it);
  const auto found = promises_.find(id);
  if (found == promises_.end()) return;
  Promise& promise = found->second;
  promise.reply = {act.given,         promise.request.epoch, promise.request.d,
                   act.highest_epoch, act.holding,           act.refusal};
  const Time arrival = now_ + Latency();
  if (!PacketPasses(n, promise.from) || arrival > promise.until) {
    promises_.erase(found);
    return;
  }
  Post(arrival, Do::kPromiseAnswered, promise.from, promise.from_generation, id);
}

}  // namespace hb::sim
