#include "tests/sim/world/sim_network.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/file_system.h"
#include "storage/crc32c.h"

namespace quorate::sim {
namespace {

// Bytes that one direction may have sent and its reader not taken yet.
constexpr size_t kWindow = 256 << 10;
constexpr size_t kSegment = 64 << 10;

}  // namespace

// One direction of a stream, from the end that writes to the end that reads.
struct Direction {
  std::deque<std::string> unsent;
  size_t unsent_bytes = 0;
  size_t outstanding = 0;  // sent, not yet taken by the reader
  std::string inbox;       // arrived; taken up to inbox_taken
  size_t inbox_taken = 0;
  MonoTime last_arrival;
  MonoTime silent_since;  // of a cut link, while retrying
  bool retrying = false;
  bool end_arrived = false;  // the reader may see the orderly end once the inbox is empty
};

// Both ends of a stream share it. `ends` are null once closed.
struct Stream {
  Internet* internet;
  SimConnection* ends[2] = {nullptr, nullptr};
  Process* processes[2] = {nullptr, nullptr};
  std::string hosts[2];
  Endpoint addresses[2];
  Direction directions[2];  // [i] = written by end i
  bool broken = false;
  bool half_open = false;  // StreamFault
  bool cut_next = false;
  bool flip_next = false;
};

class SimConnection final : public Connection {
 public:
  SimConnection(std::shared_ptr<Stream> stream, int side)
      : stream_(std::move(stream)), side_(side) {
    stream_->ends[side_] = this;
  }
  ~SimConnection() override { Close(); }

  void Start(Handler* handler) override {
    handler_ = handler;
    if (stream_->broken && !broken_) broken_ = absl::UnavailableError("connection reset by peer");
    ScheduleDelivery();
  }
  void Send(std::vector<OutPiece> pieces) override;
  size_t unsent_bytes() const override { return out().unsent_bytes; }
  void PauseReading() override { paused_ = true; }
  void ResumeReading() override {
    paused_ = false;
    ScheduleDelivery();
  }
  void Close() override;
  const Endpoint& peer() const override { return stream_->addresses[1 - side_]; }
  const Endpoint& local() const override { return stream_->addresses[side_]; }

  // Moves unsent bytes into the window; runs on the writer's process.
  void Transmit();
  // Hands arrived bytes, then the end, to the handler.
  void Deliver();
  void ScheduleDelivery();
  // Breaks both directions: the reader sees `why` after what has arrived is dropped.
  void Break(const absl::Status& why);
  // Sends into a half-open stream: nothing arrives, and this end learns it when its patience ends.
  void SendIntoNothing();

 private:
  Direction& out() { return stream_->directions[side_]; }
  const Direction& out() const { return stream_->directions[side_]; }
  Direction& in() { return stream_->directions[1 - side_]; }
  Process& process() { return *stream_->processes[side_]; }
  World& world() { return stream_->internet->links().world(); }
  void SendSegment();
  void RetryLater();
  void ReportDrained();
  void EndWith(const absl::Status& why);

  const std::shared_ptr<Stream> stream_;
  const int side_;
  Handler* handler_ = nullptr;
  bool paused_ = false;
  bool closed_ = false;
  bool delivery_scheduled_ = false;
  bool drain_due_ = false;
  std::optional<absl::Status> broken_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

class SimListener final : public Listener {
 public:
  SimListener(Internet& internet, Process& process, Endpoint at, Network::AcceptHandler on_accept)
      : internet_(internet),
        process_(process),
        at_(std::move(at)),
        on_accept_(std::make_shared<Network::AcceptHandler>(std::move(on_accept))) {}
  ~SimListener() override { internet_.Remove(at_, this); }
  const Endpoint& local() const override { return at_; }
  Process& process() { return process_; }
  // Runs the handler in a task of its own; kept alive for a listener destroyed meanwhile.
  void Accept(std::unique_ptr<Connection> connection) {
    const auto handler = on_accept_;
    (*handler)(std::move(connection));
  }

 private:
  Internet& internet_;
  Process& process_;
  const Endpoint at_;
  std::shared_ptr<Network::AcceptHandler> on_accept_;
};

void Internet::AddStream(const std::shared_ptr<Stream>& stream) {
  if (streams_.size() > 64) {
    std::erase_if(streams_, [](const auto& weak) { return weak.expired(); });
  }
  streams_.push_back(stream);
}

std::string Internet::Disturb(StreamFault fault, const std::set<std::string>& hosts,
                              Random& random) {
  std::vector<std::shared_ptr<Stream>> open;
  for (const auto& weak : streams_) {
    std::shared_ptr<Stream> stream = weak.lock();
    if (stream == nullptr || stream->broken || stream->half_open || stream->ends[0] == nullptr ||
        stream->ends[1] == nullptr || !hosts.contains(stream->hosts[0]) ||
        !hosts.contains(stream->hosts[1]) || stream->hosts[0] == stream->hosts[1]) {
      continue;
    }
    open.push_back(std::move(stream));
  }
  if (open.empty()) return "";
  Stream& chosen = *open[random.Below(open.size())];
  chosen.half_open = chosen.half_open || fault == StreamFault::kHalfOpen;
  chosen.cut_next = chosen.cut_next || fault == StreamFault::kCutFrame;
  chosen.flip_next = chosen.flip_next || fault == StreamFault::kFlipBit;
  return absl::StrFormat("%s to %s", chosen.addresses[0].ToString(),
                         chosen.addresses[1].ToString());
}

SimListener* Internet::Find(const Endpoint& at) const {
  const auto it = listeners_.find(at);
  return it == listeners_.end() ? nullptr : it->second;
}

bool Internet::Add(const Endpoint& at, SimListener* listener) {
  return listeners_.emplace(at, listener).second;
}

void Internet::Remove(const Endpoint& at, SimListener* listener) {
  const auto it = listeners_.find(at);
  if (it != listeners_.end() && it->second == listener) listeners_.erase(it);
}

void SimConnection::Send(std::vector<OutPiece> pieces) {
  if (closed_ || broken_) return;
  for (OutPiece& piece : pieces) {
    std::string bytes;
    if (const auto* shared = std::get_if<SharedBytes>(&piece)) {
      bytes = std::string(shared->view());
    } else {
      const FileSlice& slice = std::get<FileSlice>(piece);
      bytes.resize(slice.length);
      absl::StatusOr<size_t> got = slice.file->ReadAt(slice.offset, bytes.data(), bytes.size());
      if (!got.ok() || *got != slice.length) {
        Break(absl::DataLossError(
            absl::StrFormat("%s ends inside a slice that is being sent", slice.file->path())));
        return;
      }
    }
    if (bytes.empty()) continue;
    out().unsent_bytes += bytes.size();
    if (!out().unsent.empty() && out().unsent.back().size() + bytes.size() <= kSegment) {
      out().unsent.back() += bytes;
    } else {
      out().unsent.push_back(std::move(bytes));
    }
  }
  drain_due_ = true;
  Transmit();
}

void SimConnection::Transmit() {
  if (stream_->broken || !process().alive()) return;
  while (!out().unsent.empty() && out().outstanding < kWindow && !out().retrying) SendSegment();
  if (out().unsent.empty() && drain_due_) {
    drain_due_ = false;
    process().loop().Post([this, alive = std::weak_ptr<bool>(alive_)] {
      if (!alive.expired()) ReportDrained();
    });
  }
}

void SimConnection::ReportDrained() {
  if (!closed_ && handler_ != nullptr && out().unsent_bytes == 0) handler_->OnDrained();
}

void SimConnection::RetryLater() {
  out().retrying = true;
  if (out().silent_since == MonoTime()) out().silent_since = world().now();
  world().ScheduleIn(Links::kRetransmit, &process(), [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    out().retrying = false;
    if (world().now() - out().silent_since > Links::kPatience) {
      Break(absl::UnavailableError("the peer fell silent"));
    } else {
      Transmit();
    }
  });
}

void SimConnection::SendIntoNothing() {
  while (!out().unsent.empty()) {
    out().unsent_bytes -= out().unsent.front().size();
    out().unsent.pop_front();
  }
  if (out().silent_since != MonoTime()) return;
  out().silent_since = world().now();
  world().ScheduleIn(Links::kPatience, &process(), [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired() || closed_) return;
    broken_ = absl::UnavailableError("the peer fell silent");
    Deliver();
  });
}

// A run of a record's filler (clients/record_name.h) in `bytes`: flips a bit inside of it.
static bool FlipInFiller(std::string* bytes, Random& random) {
  size_t run = 1;
  for (size_t i = 1; i < bytes->size(); ++i) {
    const bool same = (*bytes)[i] == (*bytes)[i - 1] && (*bytes)[i] >= 'A' && (*bytes)[i] <= 'z';
    run = same ? run + 1 : 1;
    if (run < 8) continue;
    (*bytes)[i - random.Below(6)] ^= static_cast<char>(1 << random.Below(8));
    return true;
  }
  return false;
}

void SimConnection::SendSegment() {
  Links& links = stream_->internet->links();
  const std::string& from = stream_->hosts[side_];
  const std::string& to = stream_->hosts[1 - side_];
  if (links.IsCut(from, to)) return RetryLater();
  if (stream_->half_open) return SendIntoNothing();
  out().silent_since = MonoTime();
  if (links.Breaks(from, to)) return Break(absl::UnavailableError("connection reset by peer"));
  std::string bytes = std::move(out().unsent.front());
  out().unsent.pop_front();
  if (bytes.size() > kSegment) {
    out().unsent.push_front(bytes.substr(kSegment));
    bytes.resize(kSegment);
  }
  out().unsent_bytes -= bytes.size();
  if (stream_->flip_next && FlipInFiller(&bytes, world().random())) {
    stream_->flip_next = false;
    ++stream_->internet->flipped_bits_;
  }
  const bool cut = stream_->cut_next && bytes.size() > 1;
  if (cut) bytes.resize(1 + world().random().Below(bytes.size() - 1));
  out().outstanding += bytes.size();
  world().Trace(Crc32c(bytes));
  const MonoTime arrival = std::max(out().last_arrival, world().now() + links.Delay(from, to));
  out().last_arrival = arrival;
  world().Schedule(arrival, stream_->processes[1 - side_],
                   [stream = stream_, side = side_, bytes = std::move(bytes)]() mutable {
                     if (stream->broken) return;
                     Direction& direction = stream->directions[side];
                     if (direction.inbox.empty()) {
                       direction.inbox = std::move(bytes);
                     } else {
                       direction.inbox += bytes;
                     }
                     if (SimConnection* reader = stream->ends[1 - side]) reader->Deliver();
                   });
  if (!cut) return;
  // The part is read before the reset is seen.
  stream_->cut_next = false;
  stream_->half_open = true;  // nothing may follow a gap
  ++stream_->internet->cut_frames_;
  world().Schedule(arrival + Micros(1), nullptr,
                   [stream = stream_, side = side_, alive = std::weak_ptr<bool>(alive_)] {
                     if (alive.expired() || stream->ends[side] == nullptr) return;
                     stream->ends[side]->Break(absl::UnavailableError("connection reset by peer"));
                   });
}

void SimConnection::ScheduleDelivery() {
  if (delivery_scheduled_) return;
  delivery_scheduled_ = true;
  process().loop().Post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    delivery_scheduled_ = false;
    Deliver();
  });
}

void SimConnection::Deliver() {
  const std::weak_ptr<bool> alive = alive_;
  while (handler_ != nullptr && !closed_ && !paused_ && !in().inbox.empty() && !broken_) {
    const std::span<char> buffer = handler_->ReadBuffer();
    size_t count = std::min(buffer.size(), in().inbox.size() - in().inbox_taken);
    // Now and then less than there is, as a socket would.
    if (count > 1 && world().random().Chance(0.1)) count = 1 + world().random().Below(count);
    std::memcpy(buffer.data(), in().inbox.data() + in().inbox_taken, count);
    in().inbox_taken += count;
    if (in().inbox_taken == in().inbox.size()) {
      in().inbox.clear();
      in().inbox_taken = 0;
    }
    in().outstanding -= count;
    if (!in().unsent.empty() && stream_->ends[1 - side_] != nullptr) {
      // The window opens again at the writer's next turn.
      stream_->processes[1 - side_]->loop().Post([stream = stream_, side = 1 - side_] {
        if (SimConnection* end = stream->ends[side]) end->Transmit();
      });
    }
    handler_->OnRead(count);
    if (alive.expired()) return;
  }
  if (handler_ == nullptr || closed_) return;
  if (broken_) return EndWith(*broken_);
  if (in().inbox.empty() && in().end_arrived && !paused_) EndWith(absl::OkStatus());
}

void SimConnection::EndWith(const absl::Status& why) {
  closed_ = true;
  stream_->ends[side_] = nullptr;
  handler_->OnClosed(why);
}

void SimConnection::Break(const absl::Status& why) {
  if (stream_->broken) return;
  stream_->broken = true;
  for (int side = 0; side < 2; ++side) {
    Process* owner = stream_->processes[side];
    const bool own = side == side_;
    const Micros delay =
        own ? Micros(0)
            : stream_->internet->links().Delay(stream_->hosts[side_], stream_->hosts[side]);
    const absl::Status status = own ? why : absl::UnavailableError("connection reset by peer");
    world().ScheduleIn(delay, owner, [stream = stream_, side, status] {
      SimConnection* end = stream->ends[side];
      if (end == nullptr) return;
      end->broken_ = status;
      end->Deliver();
    });
  }
}

void SimConnection::Close() {
  *alive_ = false;
  alive_ = std::make_shared<bool>(true);  // Tasks of the past do nothing; none follow.
  if (closed_) return;
  closed_ = true;
  stream_->ends[side_] = nullptr;
  if (stream_->broken || stream_->half_open) return;
  Links& links = stream_->internet->links();
  const int peer = 1 - side_;
  const bool orderly = out().unsent.empty() && in().inbox.empty() && process().alive();
  const MonoTime arrival =
      std::max(out().last_arrival, world().now() + links.EndDelay(process(), stream_->hosts[peer]));
  if (!orderly) stream_->broken = true;
  world().Schedule(arrival, stream_->processes[peer],
                   [stream = stream_, side = side_, peer, orderly] {
                     SimConnection* end = stream->ends[peer];
                     if (end == nullptr) return;
                     if (orderly) {
                       stream->directions[side].end_arrived = true;
                     } else {
                       end->broken_ = absl::UnavailableError("connection reset by peer");
                     }
                     end->Deliver();
                   });
}

absl::StatusOr<std::unique_ptr<Listener>> SimNetwork::Listen(const Endpoint& at,
                                                             AcceptHandler on_accept) {
  Endpoint bound = at;
  if (bound.host.empty()) bound.host = process_.host();
  if (bound.host != process_.host()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: cannot assign requested address", at.ToString()));
  }
  if (bound.port == 0) bound.port = internet_.NextPort(bound.host);
  auto listener = std::make_unique<SimListener>(internet_, process_, bound, std::move(on_accept));
  if (!internet_.Add(bound, listener.get())) {
    return absl::AlreadyExistsError(
        absl::StrFormat("%s: address already in use", bound.ToString()));
  }
  return std::unique_ptr<Listener>(std::move(listener));
}

// One connect under way.
struct SimNetwork::Attempt {
  Endpoint to;
  MonoTime deadline;
  ConnectHandler done;
};

// The other end of a new stream appears at the listener, or breaks the stream if it is gone.
static void AcceptAt(const std::shared_ptr<Stream>& stream, const Endpoint& to) {
  SimListener* there = stream->internet->Find(to);
  if (there != nullptr && &there->process() == stream->processes[1]) {
    Process& process = there->process();
    if (process.paused()) {
      process.WhenResumed([stream, to] { AcceptAt(stream, to); });
      return;
    }
    stream->internet->links().world().RunAs(
        process, [&] { there->Accept(std::make_unique<SimConnection>(stream, 1)); });
    return;
  }
  if (SimConnection* end = stream->ends[0]) {
    end->Break(absl::UnavailableError("connection reset by peer"));
  }
}

void SimNetwork::Connect(const Endpoint& to, Micros timeout, ConnectHandler done) {
  World& world = process_.world();
  auto attempt = std::make_shared<Attempt>(Attempt{to, world.now() + timeout, std::move(done)});
  const Micros delay =
      internet_.HasHost(to.host) ? internet_.links().Delay(process_.host(), to.host) : Micros(1000);
  world.ScheduleIn(delay, &process_, [this, alive = std::weak_ptr<bool>(alive_), attempt] {
    if (!alive.expired()) Arrive(attempt);
  });
}

void SimNetwork::Arrive(const std::shared_ptr<Attempt>& attempt) {
  World& world = process_.world();
  Links& links = internet_.links();
  const Endpoint& to = attempt->to;
  if (!internet_.HasHost(to.host)) {
    return attempt->done(absl::UnavailableError(to.host + ": name or service not known"));
  }
  if (links.IsCutEitherWay(process_.host(), to.host)) {
    if (world.now() + Links::kRetransmit > attempt->deadline) {
      world.Schedule(attempt->deadline, &process_, [alive = std::weak_ptr<bool>(alive_), attempt] {
        if (alive.expired()) return;
        attempt->done(
            absl::DeadlineExceededError(attempt->to.ToString() + ": connection timed out"));
      });
      return;
    }
    world.ScheduleIn(Links::kRetransmit, &process_,
                     [this, alive = std::weak_ptr<bool>(alive_), attempt] {
                       if (!alive.expired()) Arrive(attempt);
                     });
    return;
  }
  SimListener* listener = internet_.Find(to);
  if (listener == nullptr || !listener->process().alive()) {
    return attempt->done(absl::UnavailableError(to.ToString() + ": connection refused"));
  }
  auto stream = std::make_shared<Stream>();
  stream->internet = &internet_;
  stream->processes[0] = &process_;
  stream->processes[1] = &listener->process();
  stream->hosts[0] = process_.host();
  stream->hosts[1] = to.host;
  stream->addresses[0] = {process_.host(), internet_.NextPort(process_.host())};
  stream->addresses[1] = to;
  internet_.AddStream(stream);
  // The accepting end appears on its own process a little later; the connecting end is there now.
  world.ScheduleIn(links.Delay(process_.host(), to.host), nullptr,
                   [stream, to] { AcceptAt(stream, to); });
  attempt->done(std::unique_ptr<Connection>(std::make_unique<SimConnection>(stream, 0)));
}

}  // namespace quorate::sim
