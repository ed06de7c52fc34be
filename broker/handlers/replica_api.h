// broker/handlers/replica_api.h
//
// ReplicaApi is what the handlers need of ReplicaManager, so that they can be tested without one.
// The contracts are those of broker/replica/replica_manager.h.
//
// Owned by the broker's loop.
#pragma once

#include <vector>

#include "broker/replica/replica_manager.h"

namespace quorate {

class ReplicaApi {
 public:
  virtual ~ReplicaApi() = default;
  virtual void Append(AppendRequest request, AppendDone done) = 0;
  virtual FetchId Fetch(FetchSpec spec, FetchDone done) = 0;
  virtual void CancelFetch(FetchId id) = 0;
  virtual void ListOffsets(std::vector<ListOffsetsQuery> queries,
                           ReplicaManager::ListOffsetsDone done) = 0;
  virtual std::vector<EpochEndOutcome> EndOffsetsFor(const std::vector<EpochEndQuery>& queries) = 0;
};

// The real one.
class ReplicaManagerApi final : public ReplicaApi {
 public:
  explicit ReplicaManagerApi(ReplicaManager* replicas) : replicas_(replicas) {}
  void Append(AppendRequest request, AppendDone done) override {
    replicas_->Append(std::move(request), std::move(done));
  }
  FetchId Fetch(FetchSpec spec, FetchDone done) override {
    return replicas_->Fetch(std::move(spec), std::move(done));
  }
  void CancelFetch(FetchId id) override { replicas_->CancelFetch(id); }
  void ListOffsets(std::vector<ListOffsetsQuery> queries,
                   ReplicaManager::ListOffsetsDone done) override {
    replicas_->ListOffsets(std::move(queries), std::move(done));
  }
  std::vector<EpochEndOutcome> EndOffsetsFor(const std::vector<EpochEndQuery>& queries) override {
    return replicas_->EndOffsetsFor(queries);
  }

 private:
  ReplicaManager* const replicas_;
};

}  // namespace quorate
