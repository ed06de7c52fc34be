#include <errno.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "proto/rpc/grpc_bytes.h"
#include "proto/rpc/grpc_rpc.h"

namespace quorate {
namespace {

constexpr size_t kMaxStatusMessageBytes = 2000;

// Where calls of one method go. Constant but for `open`.
struct Method {
  EventLoop* loop;
  RpcServer::Handler handler;  // run on `loop` only
  // False once the server has stopped: calls that gRPC handed over before are dropped.
  std::shared_ptr<std::atomic<bool>> open;
};

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message()).substr(0, kMaxStatusMessageBytes));
}

// The gRPC end of one call. Lives until gRPC is done with it and the GrpcCall is gone, whichever
// is later. Its answer may come from any thread; gRPC's reactions come on gRPC's threads, or
// inside a call into gRPC, so none of those is made under a lock.
class CallReactor final : public grpc::ServerGenericBidiReactor,
                          public std::enable_shared_from_this<CallReactor> {
 public:
  static CallReactor* Make(grpc::GenericCallbackServerContext* context,
                           std::shared_ptr<Method> method) {
    auto reactor = std::shared_ptr<CallReactor>(new CallReactor(context, std::move(method)));
    reactor->self_ = reactor;
    reactor->StartRead(&reactor->request_);
    return reactor.get();
  }

  // The first of Reply, Fail and a break ends the call; later ones do nothing.
  void Reply(std::string response) {
    if (ended_.exchange(true)) return;
    response_ = ToByteBuffer(std::move(response));
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void Fail(const absl::Status& status) {
    if (ended_.exchange(true)) return;
    context_->AddTrailingMetadata(kHandlerErrorTrailer, "1");
    Finish(ToGrpc(status));
  }
  bool ended() const { return ended_.load(); }

  // On the method's loop: `task` runs there when the call breaks; null takes it back.
  void SetOnBroken(Task task) {
    on_broken_ = std::move(task);
    if (broken_ && on_broken_) {
      method_->loop->Post([self = shared_from_this()] { self->RunOnBroken(); });
    }
  }

  std::string_view request() const { return request_bytes_; }

 private:
  CallReactor(grpc::GenericCallbackServerContext* context, std::shared_ptr<Method> method)
      : context_(context), method_(std::move(method)) {}

  void OnReadDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override {
    // Locals go last: this may be the end of *this.
    const std::shared_ptr<CallReactor> self = std::move(self_);
  }
  void RunOnBroken() {
    Task task = std::exchange(on_broken_, nullptr);
    if (task) std::move(task)();
  }

  grpc::GenericCallbackServerContext* const context_;  // valid while not ended_
  const std::shared_ptr<Method> method_;
  std::shared_ptr<CallReactor> self_;  // until OnDone
  std::atomic<bool> ended_{false};
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::string request_bytes_;  // written before the call is posted, constant afterwards
  // Touched on the method's loop only.
  bool broken_ = false;
  Task on_broken_;
};

// The loop's end of one call.
class GrpcCall final : public RpcCall {
 public:
  explicit GrpcCall(std::shared_ptr<CallReactor> reactor) : reactor_(std::move(reactor)) {}
  ~GrpcCall() override {
    reactor_->SetOnBroken(nullptr);
    reactor_->Fail(absl::AbortedError("call dropped without an answer"));
  }
  std::string_view request() const override { return reactor_->request(); }
  void Reply(std::string response) override {
    QCHECK(!answered_);
    answered_ = true;
    reactor_->Reply(std::move(response));
  }
  void Fail(const absl::Status& status) override {
    QCHECK(!answered_);
    QCHECK(!status.ok());
    answered_ = true;
    reactor_->Fail(status);
  }
  void OnBroken(Task task) override {
    if (!answered_) reactor_->SetOnBroken(std::move(task));
  }

 private:
  const std::shared_ptr<CallReactor> reactor_;
  bool answered_ = false;
};

void CallReactor::OnReadDone(bool ok) {
  if (!ok) {
    // Broken, or no message came.
    if (!ended_.exchange(true)) {
      Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "request not received"));
    }
    return;
  }
  request_bytes_ = ToString(request_);
  request_.Clear();
  auto call = std::make_unique<GrpcCall>(shared_from_this());
  method_->loop->Post([method = method_, call = std::move(call)]() mutable {
    if (method->open->load()) method->handler(std::move(call));
  });
}

void CallReactor::OnCancel() {
  if (ended_.exchange(true)) return;
  method_->loop->Post([self = shared_from_this()] {
    self->broken_ = true;
    self->RunOnBroken();
  });
  Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "call broken"));
}

// Ends a call at once.
class RefusingReactor final : public grpc::ServerGenericBidiReactor {
 public:
  explicit RefusingReactor(grpc::Status status) { Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

// Why gRPC could not listen on `at`: it does not say, so bind is tried again.
absl::Status WhyNotListening(const Endpoint& at) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const char* host = at.host.empty() ? nullptr : at.host.c_str();
  if (getaddrinfo(host, std::to_string(at.port).c_str(), &hints, &list) != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("listen on %s: no such address", at.ToString()));
  }
  const int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  int error = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, 1) != 0) error = errno;
  if (fd >= 0) close(fd);
  freeaddrinfo(list);
  const std::string where = absl::StrFormat("listen on %s", at.ToString());
  switch (error) {
    case EADDRINUSE:
      return absl::AlreadyExistsError(where + ": address in use");
    case EADDRNOTAVAIL:
      return absl::InvalidArgumentError(where + ": no such address");
    case EACCES:
      return absl::PermissionDeniedError(where + ": permission denied");
    default:
      return absl::InternalError(where + ": gRPC refused");
  }
}

class GrpcRpcServer final : public RpcServer, private grpc::CallbackGenericService {
 public:
  ~GrpcRpcServer() override { Stop(); }

  void Register(std::string method, EventLoop* loop, RpcServer::Handler handler) override {
    QCHECK(server_ == nullptr && !stopped_);
    auto entry = std::make_shared<Method>(Method{loop, std::move(handler), open_});
    const bool fresh = methods_.emplace(kRpcPathPrefix + method, std::move(entry)).second;
    QCHECK(fresh);
  }

  absl::Status Start(const Endpoint& at) override {
    QCHECK(server_ == nullptr && !stopped_);
    grpc::ServerBuilder builder;
    // Two servers on one port would share its connections silently.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kRpcPingMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kRpcPingTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    // The clients ping as often: no strikes for that.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               kRpcPingMs / 4);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
    builder.SetMaxReceiveMessageSize(kMaxRpcMessageBytes);
    builder.SetMaxSendMessageSize(kMaxRpcMessageBytes);
    int port = 0;
    builder.AddListeningPort(ListenTarget(at), grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(this);
    open_->store(true);
    server_ = builder.BuildAndStart();
    if (server_ != nullptr && port != 0) return absl::OkStatus();
    server_.reset();
    open_->store(false);
    return WhyNotListening(at);
  }

  void Stop() override {
    stopped_ = true;
    open_->store(false);
    if (server_ == nullptr) return;
    // No grace: parked calls would use it up. Waits until the calls' OnDone.
    server_->Shutdown(std::chrono::system_clock::time_point());
    server_.reset();
  }

 private:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    auto found = methods_.find(context->method());
    if (found != methods_.end() && open_->load()) {
      return CallReactor::Make(context, found->second);
    }
    if (found != methods_.end()) {
      return new RefusingReactor(grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping"));
    }
    return new RefusingReactor(
        grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no method " + context->method()));
  }

  // By path. Constant from Start on, as gRPC's threads read it.
  std::map<std::string, std::shared_ptr<Method>, std::less<>> methods_;
  const std::shared_ptr<std::atomic<bool>> open_ = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<grpc::Server> server_;  // while started
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<RpcServer> NewGrpcRpcServer() { return std::make_unique<GrpcRpcServer>(); }

}  // namespace quorate
