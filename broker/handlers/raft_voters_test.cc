// AddRaftVoter, RemoveRaftVoter.
#include <gtest/gtest.h>

#include <string>

#include "broker/handlers/handler_fixture.h"
#include "proto/kafka/messages/add_raft_voter.h"
#include "proto/kafka/messages/remove_raft_voter.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::AddRaftVoterRequest;
using kafka::AddRaftVoterResponse;
using kafka::KafkaError;
using kafka::RemoveRaftVoterRequest;
using kafka::RemoveRaftVoterResponse;

constexpr char kMethod[] = "Controller.ChangeVoters";

class RaftVotersTest : public HandlerFixture {
 protected:
  RaftVotersTest() { RegisterRaftVoters(registry, handler_env); }

  AddRaftVoterRequest Add() {
    AddRaftVoterRequest request;
    request.cluster_id = handler_env.config->cluster_id;
    request.timeout_ms = 5000;
    request.voter_id = 4;
    request.voter_directory_id = quorate::testing::TestUuid(4);
    request.listeners.push_back({"OTHER", "nowhere", 1});
    request.listeners.push_back({handler_env.config->controller_listener_name, "host4", 9093});
    return request;
  }
  static pb::AdminChangeVotersResponse Refusal(KafkaError error, const std::string& text) {
    pb::AdminChangeVotersResponse answer;
    answer.mutable_header()->set_error(Code(error));
    answer.mutable_header()->set_error_message(text);
    return answer;
  }
};

TEST_F(RaftVotersTest, AnAdditionIsForwardedWithTheControllersListener) {
  const auto exchange = Send(Add(), 1);
  const auto forwarded = rpc.RequestOf<pb::AdminChangeVotersRequest>(kMethod);
  EXPECT_EQ(forwarded.caller().principal(), "User:ANONYMOUS");
  EXPECT_EQ(forwarded.change().kind(), pb::ChangeVotersRequest::ADD);
  EXPECT_EQ(forwarded.change().voter().node_id(), 4);
  EXPECT_EQ(forwarded.change().voter().directory_id(), quorate::testing::TestUuid(4).ToBytes());
  EXPECT_EQ(forwarded.change().address().host(), "host4");
  EXPECT_EQ(forwarded.change().address().port(), 9093);
  EXPECT_FALSE(forwarded.change().automatic());
  rpc.Answer(kMethod, pb::AdminChangeVotersResponse());
  const auto response = Answer<AddRaftVoterResponse>(*exchange, 1);
  EXPECT_EQ(response.error_code, 0);
  EXPECT_FALSE(response.error_message.has_value());
}

TEST_F(RaftVotersTest, AVoterWithoutAControllerListenerIsRefused) {
  AddRaftVoterRequest request = Add();
  request.listeners.pop_back();
  request.listeners.push_back({"ANOTHER", "host", 1});
  const auto response = Answer<AddRaftVoterResponse>(*Send(request, 0), 0);
  EXPECT_EQ(response.error_code, Code(KafkaError::kInvalidRequest));
}

TEST_F(RaftVotersTest, ARemovalNamesTheVoterWithItsDisk) {
  RemoveRaftVoterRequest request;
  request.cluster_id.reset();
  request.voter_id = 4;
  request.voter_directory_id = quorate::testing::TestUuid(4);
  const auto exchange = Send(request, 0);
  const auto forwarded = rpc.RequestOf<pb::AdminChangeVotersRequest>(kMethod);
  EXPECT_EQ(forwarded.change().kind(), pb::ChangeVotersRequest::REMOVE);
  EXPECT_EQ(forwarded.change().voter().node_id(), 4);
  EXPECT_EQ(forwarded.change().voter().directory_id(), quorate::testing::TestUuid(4).ToBytes());
  rpc.Answer(kMethod, Refusal(KafkaError::kVoterNotFound, "no voter 4"));
  const auto response = Answer<RemoveRaftVoterResponse>(*exchange, 0);
  EXPECT_EQ(response.error_code, Code(KafkaError::kVoterNotFound));
  EXPECT_EQ(response.error_message, "no voter 4");
}

TEST_F(RaftVotersTest, ARequestForAnotherClusterIsNotForwarded) {  // C29
  AddRaftVoterRequest request = Add();
  request.cluster_id = "another";
  const auto response = Answer<AddRaftVoterResponse>(*Send(request, 1), 1);
  EXPECT_EQ(response.error_code, Code(KafkaError::kInconsistentClusterId));
}

}  // namespace
}  // namespace quorate
