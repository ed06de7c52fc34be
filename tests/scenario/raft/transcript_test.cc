// Data-driven transcripts over pure Raft cores: each *.txt in this folder is a list of commands and
// what they show. Lines that begin with "> " are commands, those below them the expected output.
//
//   cluster VOTERS [OBSERVERS [dynamic]]   a new cluster; all nodes are up; dynamic: its voters can
//                                be changed, and observers may become voters
//   add L N | remove L N         leader L takes node N as it is into the voters, or out of them;
//                                says why not
//   voters                       one line per node: who votes by its log
//   campaign N                   node N's timer runs out; all messages are delivered
//   run STEPS                    10 ms of time each, all messages are delivered
//   propose N [COUNT]            entries on node N, not delivered yet
//   deliver                      all messages and fsyncs
//   isolate N | cut A B | heal   links; `oneway A B` cuts those from A to B only
//   silent                       from now on nobody is told of a broken link
//   crash N | start N            a crash loses what is not fsynced
//   disk N TERM [TERMS...]       what a node that is down finds: its term, the terms of its log
//                                (none: the log that it had)
//   replace N                    a node that is down gets another, empty disk
//   shutdown N                   clean
//   snapshot N                   node N takes one of what is committed, and the log before it goes
//   snapshot-only N              the same, the log stays
//   damage 0|1                   whether pieces of snapshots come damaged
//   show                         one line per node: role, term, leader, terms of its log (what
//                                stands behind a bar is not fsynced; [N:] if it starts at N),
//                                commit, snapshots
//   votes                        one line per node: term and vote on its disk
//
// Step by step:
//   wait MS                      time passes
//   tick N [MS]                  3 s (or so many ms) pass, then node N looks at its timers
//   flush N                      its fsync ends
//   check N                      its check of a fetched snapshot ends
//   answers N                    from now on an answer to a fetch carries at most N records
//   pass KIND A B                the oldest such message arrives; KIND: prevote, vote, fetch,
//                                snapshot, begin, end, each also with -answer; failure (of a call
//                                of B to A)
//   copy KIND A B                the same, and it stays under way
//   lose KIND A B                it never arrives
//   net [KIND]                   what is under way, oldest first
//
// To rewrite the expectations: QUORATE_REWRITE=<folder>
// bazel-bin/tests/scenario/raft/transcript_test
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/posix/posix_file_system.h"
#include "raft/core/packet_text.h"

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
    if (node.log_start > 0) out << " [" << node.log_start << ":]";
    for (size_t i = node.log_start; i < node.log.size(); ++i) {
      out << (i == node.durable ? " | " : " ") << node.log[i].term;
    }
    if (node.core) out << ", commit " << node.core->commit_index();
    for (const SnapshotId& snapshot : node.snapshots) out << ", snapshot " << snapshot;
    out << "\n";
  }
  return out.str();
}

std::string Votes(CoreCluster& cluster) {
  std::ostringstream out;
  for (auto& [id, node] : cluster.nodes()) {
    out << id << ": term " << node.hard.term << ", vote " << node.hard.voted_for.node << "\n";
  }
  return out.str();
}

std::string Voters(CoreCluster& cluster) {
  std::ostringstream out;
  for (auto& [id, node] : cluster.nodes()) {
    out << id << ":";
    for (NodeId voter : cluster.VotersOf(node).nodes()) {
      const bool here = cluster.VotersOf(node).Contains(cluster.KeyOf(voter));
      out << " " << voter << (here ? "" : " (lost disk)");
    }
    out << "\n";
  }
  return out.str();
}

std::string Net(CoreCluster& cluster, const std::string& kind) {
  std::ostringstream out;
  for (const Packet& packet : cluster.bag()) {
    if (!kind.empty() && KindOf(packet) != kind) continue;
    out << KindOf(packet) << " " << packet.from << " " << packet.to;
    if (packet.kind != Packet::Kind::kFailed) out << ": " << TextOf(packet);
    out << "\n";
  }
  return out.str().empty() ? "nothing\n" : out.str();
}

// pass, copy, lose.
std::string Move(CoreCluster& cluster, const std::string& verb, std::istringstream& in) {
  std::string kind;
  int from = 0;
  int to = 0;
  in >> kind >> from >> to;
  auto& bag = cluster.bag();
  const auto found = std::find_if(bag.begin(), bag.end(), [&](const Packet& packet) {
    return packet.from == NodeId(from) && packet.to == NodeId(to) && KindOf(packet) == kind;
  });
  if (found == bag.end()) return "no such message\n";
  if (verb == "copy") {
    bag.push_back(Packet(*found));
  } else {
    std::rotate(found, found + 1, bag.end());  // the others stay in their order
  }
  if (verb == "lose") {
    bag.pop_back();
  } else {
    cluster.Deliver(bag.size() - 1);
  }
  return "";
}

void SetDisk(CoreCluster& cluster, NodeId node, int term, std::istringstream& in) {
  std::vector<Term> log;
  int entry = 0;
  while (in >> entry) log.push_back(Term(entry));
  if (log.empty()) {
    for (const Entry& kept : cluster.node(node).log) log.push_back(kept.term);
  }
  cluster.SetDisk(node, Term(term), log);
}

// Commands with at most two numbers; false if there is none of this name.
bool Act(CoreCluster& c, const std::string& verb, int first, int second) {
  const NodeId node(first);
  if (verb == "campaign" || verb == "tick") {
    c.now = c.now + Millis(second < 0 ? 3000 : second);
    c.Tick(node);
    if (verb == "campaign") c.DeliverAll();
  } else if (verb == "run") {
    c.Run(first);
  } else if (verb == "wait") {
    c.now = c.now + Millis(first);
  } else if (verb == "propose") {
    for (int i = 0; i < std::max(second, 1); ++i) c.Propose(node);
  } else if (verb == "deliver") {
    c.DeliverAll();
  } else if (verb == "flush") {
    c.FinishFlush(node);
  } else if (verb == "snapshot" || verb == "snapshot-only") {
    c.TakeSnapshot(node, verb == "snapshot");
  } else if (verb == "check") {
    c.FinishCheck(node);
  } else if (verb == "damage") {
    c.damage = first;
  } else if (verb == "answers") {
    c.entries_per_answer = static_cast<size_t>(first);
  } else if (verb == "isolate") {
    c.Isolate(node);
  } else if (verb == "cut") {
    c.Cut(node, NodeId(second));
  } else if (verb == "oneway") {
    c.CutOneWay(node, NodeId(second));
  } else if (verb == "heal") {
    c.Heal();
  } else if (verb == "silent") {
    c.notify_broken = false;
  } else if (verb == "crash") {
    c.Crash(node);
  } else if (verb == "start") {
    c.Start(node);
  } else if (verb == "replace") {
    c.ReplaceDisk(node);
  } else if (verb == "shutdown") {
    c.Step(node, Shutdown{});
    c.DeliverAll();
  } else {
    return false;
  }
  return true;
}

// Carries out one command; returns what it shows.
std::string Execute(const std::string& command, std::unique_ptr<CoreCluster>* cluster) {
  std::istringstream in(command.substr(0, command.find('#')));
  std::string verb;
  in >> verb;
  if (verb == "cluster") {
    int voters = 0;
    int observers = 0;
    in >> voters >> observers;
    *cluster = std::make_unique<CoreCluster>(voters, observers, 1);
    std::string dynamic;
    if (in >> dynamic && dynamic == "dynamic") (*cluster)->MakeDynamic();
    return "";
  }
  CoreCluster& c = **cluster;
  std::string shown;
  if (verb == "show") {
    return Show(c);
  } else if (verb == "votes") {
    return Votes(c);
  } else if (verb == "voters") {
    return Voters(c);
  } else if (verb == "add" || verb == "remove") {
    int leader = 0;
    int node = 0;
    in >> leader >> node;
    shown = verb == "add" ? c.AddVoter(NodeId(leader), NodeId(node))
                          : c.RemoveVoter(NodeId(leader), NodeId(node));
    if (!shown.empty()) shown += "\n";
  } else if (verb == "net") {
    std::string kind;
    in >> kind;
    return Net(c, kind);
  } else if (verb == "pass" || verb == "copy" || verb == "lose") {
    shown = Move(c, verb, in);
  } else {
    int first = 0;
    int second = -1;
    if (in >> first && !(in >> second)) second = -1;
    if (verb == "disk") {
      SetDisk(c, NodeId(first), second, in);
    } else if (!Act(c, verb, first, second)) {
      shown = "unknown command\n";
    }
  }
  return shown + (c.violation().empty() ? "" : c.violation() + "\n");
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
    EXPECT_TRUE(text->starts_with("# ")) << name << " does not say what it shows";
    const std::string replayed = Replay(*text);
    for (const char* wrong : {"unknown command", "no such message", "\nI1", "\nI3", "\nI4", "\nI5",
                              "\nI6", "\nI7", "\nI8", "\nI9", "\nE7", "\nE11"}) {
      EXPECT_EQ(replayed.find(wrong), std::string::npos) << name << ": " << wrong;
    }
    if (rewrite != nullptr) {
      ASSERT_TRUE(files.WriteFileAtomically(folder + "/" + name, replayed).ok());
    } else {
      EXPECT_EQ(replayed, *text) << name;
    }
  }
  EXPECT_GE(transcripts, 40);
}

}  // namespace
}  // namespace quorate::raft
