// Data-driven transcripts over pure Raft cores: each *.txt in this folder is a list of commands and
// what they show. Lines that begin with "> " are commands, those below them the expected output.
//
//   cluster VOTERS [OBSERVERS]   a new cluster; all nodes are up
//   campaign N                   node N's timer runs out; all messages are delivered
//   run STEPS                    10 ms of time each, all messages are delivered
//   propose N [COUNT]            entries on node N, not delivered yet
//   deliver                      all messages and fsyncs
//   isolate N | cut A B | heal   links
//   crash N | start N            a crash loses what is not fsynced
//   shutdown N                   clean
//   show                         one line per node: role, term, leader, terms of its log, commit
//
// To rewrite the expectations: QUORATE_REWRITE=<folder>
// bazel-bin/tests/scenario/raft/transcript_test
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "base/posix/posix_file_system.h"
#include "raft/core/core_harness.h"

namespace quorate::raft {
namespace {

// Where the transcripts lie, seen from a test's working directory.
constexpr char kFolder[] = "tests/scenario/raft";

std::string Show(CoreCluster& cluster) {
  std::ostringstream out;
  for (auto& [id, node] : cluster.nodes()) {
    out << id << ": ";
    if (!node.core) {
      out << "down, term " << node.hard.term;
    } else {
      out << node.core->role() << ", term " << node.core->term() << ", leader "
          << node.core->leader();
    }
    out << ", log";
    for (const Entry& entry : node.log) out << " " << entry.term;
    if (node.core) out << ", commit " << node.core->commit_index();
    out << "\n";
  }
  return out.str();
}

// Carries out one command; returns what it shows.
std::string Execute(const std::string& command, std::unique_ptr<CoreCluster>* cluster) {
  std::istringstream in(command);
  std::string verb;
  int first = 0;
  int second = 0;
  in >> verb >> first;
  const bool has_second = static_cast<bool>(in >> second);
  const NodeId node(first);
  if (verb == "cluster") {
    *cluster = std::make_unique<CoreCluster>(first, has_second ? second : 0, 1);
    return "";
  }
  CoreCluster& c = **cluster;
  if (verb == "campaign") {
    c.now = c.now + Millis(3000);
    c.Tick(node);
    c.DeliverAll();
  } else if (verb == "run") {
    c.Run(first);
  } else if (verb == "propose") {
    for (int i = 0; i < (has_second ? second : 1); ++i) c.Propose(node);
  } else if (verb == "deliver") {
    c.DeliverAll();
  } else if (verb == "isolate") {
    c.Isolate(node);
  } else if (verb == "cut") {
    c.Cut(node, NodeId(second));
  } else if (verb == "heal") {
    c.Heal();
  } else if (verb == "crash") {
    c.Crash(node);
  } else if (verb == "start") {
    c.Start(node);
  } else if (verb == "shutdown") {
    c.Step(node, Shutdown{});
    c.DeliverAll();
  } else if (verb == "show") {
    return Show(c);
  } else {
    return "unknown command\n";
  }
  return c.violation().empty() ? "" : c.violation() + "\n";
}

// `text` with the output of every command as it is now.
std::string Replay(const std::string& text) {
  std::unique_ptr<CoreCluster> cluster;
  std::istringstream in(text);
  std::string out;
  std::string line;
  bool in_output = false;
  while (std::getline(in, line)) {
    if (line.starts_with("> ")) {
      out += line + "\n" + Execute(line.substr(2), &cluster);
      in_output = true;
    } else if (line.empty() || line.starts_with("#")) {
      out += line + "\n";
      in_output = false;
    } else if (!in_output) {
      out += line + "\n";
    }
  }
  return out;
}

TEST(RaftTranscripts, EachShowsWhatItSays) {
  PosixFileSystem files;
  const char* rewrite = std::getenv("QUORATE_REWRITE");
  const std::string folder = rewrite != nullptr ? rewrite : kFolder;
  const auto names = files.List(folder);
  ASSERT_TRUE(names.ok()) << names.status();
  int transcripts = 0;
  for (const std::string& name : *names) {
    if (!name.ends_with(".txt")) continue;
    ++transcripts;
    const auto text = files.ReadFile(folder + "/" + name);
    ASSERT_TRUE(text.ok()) << text.status();
    const std::string replayed = Replay(*text);
    if (rewrite != nullptr) {
      ASSERT_TRUE(files.WriteFileAtomically(folder + "/" + name, replayed).ok());
    } else {
      EXPECT_EQ(replayed, *text) << name;
    }
  }
  EXPECT_GE(transcripts, 5);
}

}  // namespace
}  // namespace quorate::raft
