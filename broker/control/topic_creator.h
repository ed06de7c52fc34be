// broker/control/topic_creator.h
//
// TopicCreator creates topics that a client merely used (auto.create.topics.enable) or that a
// coordinator needs. Whoever asks while a creation of the same name is under way shares it.
//
// Thread-compatible: owned by the broker's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/event_loop.h"
#include "base/ids.h"
#include "broker/control/controller_channel.h"
#include "broker/control/image_view.h"
#include "controller/image/metadata_image.h"

namespace quorate {

struct NewTopicSpec {
  std::string name;
  int32_t partitions = -1;          // -1 = cluster default
  int32_t replication_factor = -1;  // -1 = cluster default
  ConfigMap configs;
};

class TopicCreator {
 public:
  TopicCreator(EventLoop* loop, ControllerChannel* channel, ImageView* images,
               std::string cluster_id, NodeId node_id, std::function<BrokerEpoch()> broker_epoch);
  ~TopicCreator();
  TopicCreator(const TopicCreator&) = delete;
  TopicCreator& operator=(const TopicCreator&) = delete;

  // Creates the topic; `done` runs later, at the latest after kTimeout: OK once this broker's image
  // shows the topic (also if it was there).
  // ERRORS: the controller's Kafka error (INVALID_TOPIC_EXCEPTION, INVALID_REPLICATION_FACTOR, ..);
  // kDeadlineExceeded, kUnavailable: try again.
  using Done = absl::AnyInvocable<void(const absl::Status&)>;
  void Create(const NewTopicSpec& spec, Done done);

  static constexpr Micros kTimeout = std::chrono::seconds(2);
  // Topics being created at a time; further ones fail with kUnavailable.
  static constexpr size_t kMaxPending = 1000;

 private:
  void Finish(const std::string& name, const absl::Status& status);

  EventLoop* const loop_;
  ControllerChannel* const channel_;
  ImageView* const images_;
  const std::string cluster_id_;
  const NodeId node_id_;
  const std::function<BrokerEpoch()> broker_epoch_;
  struct Pending {
    ControllerCallId call = ControllerCallId::kNone;
    std::vector<Done> waiting;
  };
  std::map<std::string, Pending> pending_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate
