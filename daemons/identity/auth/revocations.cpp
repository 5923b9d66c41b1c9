#include "auth/revocations.h"

#include <algorithm>

#include "base/json.h"
#include "log/log.h"

namespace pilvi::identity {

namespace {
constexpr const char* changed_topic = "revocations";      // the revision is another one
constexpr const char* heard_topic = "revocations-heard";  // a listener has asked again
constexpr std::chrono::seconds patience{1}, between_polls{2}, longest_wait{60};
constexpr std::size_t most_listeners = 4096;
// How often other processes are looked for, and at.
constexpr std::chrono::milliseconds alone_every{500}, in_company_every{50}, in_a_hurry_every{5};
}  // namespace

// One parked request; where its client goes away, the listener goes with it.
struct Revocations::Poll {
    Revocations& owner;
    std::string listener;
    std::uint64_t number;
    Poll(Revocations& o, std::string l, std::uint64_t n) : owner(o), listener(std::move(l)), number(n) {}
    ~Poll() { owner.left(listener, number); }
};

void Revocations::attach(http::Server& server, Store& store, std::function<void()> also) {
    server_ = &server;
    peers_ = std::make_unique<Peers>(store);
    tokens_.in_company(!peers_->alone());
    tokens_.watch([this] { server_->wake(changed_topic); });
    looking_ = std::jthread([this, also = std::move(also)](const std::stop_token& stop) {
        auto next = Clock::now() + alone_every;
        while (true) {
            {
                std::unique_lock lock(mutex_);
                const bool hurried = hurry_;
                looked_for_.wait_for(lock, stop, pause(), [&] { return hurry_ && !hurried; });
            }
            if (stop.stop_requested()) return;
            try {
                look_around();
                if (also && Clock::now() >= next) {
                    next = Clock::now() + alone_every;
                    also();
                }
            } catch (const std::exception& error) {
                log::warning(std::string("cannot look for what other processes changed: ") + error.what() + "; trying again");
            }
        }
    });
}

// Under the mutex.
std::chrono::milliseconds Revocations::pause() {
    if (peers_->alone()) return alone_every;
    const bool behind = std::any_of(listeners_.begin(), listeners_.end(), [&](const auto& l) { return l.second.heard < tokens_.revision(); });
    return hurry_ || behind ? in_a_hurry_every : in_company_every;
}

void Revocations::look_around() {
    peers_->look();
    tokens_.in_company(!peers_->alone());
    if (peers_->alone()) tokens_.look_for_foreign_changes();
    else tokens_.look();
    const std::int64_t revision = tokens_.revision();
    std::int64_t heard = revision;
    {
        const std::lock_guard lock(mutex_);
        drop_silent(revision);
        for (const auto& [id, listener] : listeners_) heard = std::min(heard, listener.heard);
        hurry_ = false;
    }
    peers_->tell(heard);
    server_->wake(heard_topic);
}

Revocations::~Revocations() {
    looking_ = {};  // joined
    tokens_.watch({});
}

http::Response Revocations::told(const std::string& listener, std::uint64_t poll) {
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = listeners_.find(listener); found != listeners_.end() && found->second.poll == poll)
            found->second.answered = Clock::now();
    }
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.body = to_text(json::object{{"revision", tokens_.revision()}});
    return response;
}

void Revocations::left(const std::string& listener, std::uint64_t poll) {
    {
        const std::lock_guard lock(mutex_);
        const auto found = listeners_.find(listener);
        if (found == listeners_.end() || found->second.poll != poll || found->second.answered) return;
        listeners_.erase(found);
    }
    if (server_) server_->wake(heard_topic);
}

http::Response Revocations::answer(const std::string& listener, std::optional<std::int64_t> known, std::chrono::seconds wait) {
    std::uint64_t number = 0;
    {
        const std::lock_guard lock(mutex_);
        if (listeners_.size() >= most_listeners) std::erase_if(listeners_, [](const auto& l) { return l.second.answered.has_value(); });
        Listener& l = listeners_[listener];
        // Who asks without a revision has nothing cached that is older than the answer.
        l.heard = known ? *known : tokens_.revision();
        l.poll = number = ++polls_;
        l.answered.reset();
    }
    if (server_) server_->wake(heard_topic);
    wait = std::clamp(wait, std::chrono::seconds(0), longest_wait);
    if (!server_ || !known || wait.count() == 0 || *known != tokens_.revision()) return told(listener, number);
    http::Response response;
    response.park = std::make_shared<http::Park>();
    response.park->topic = changed_topic;
    response.park->deadline = Clock::now() + wait;
    response.park->poll = [this, revision = *known,
                           poll = std::make_shared<Poll>(*this, listener, number)](bool last) -> std::optional<http::Response> {
        if (!last && tokens_.revision() == revision) return std::nullopt;
        return told(poll->listener, poll->number);
    };
    return response;
}

// Those that have not asked again for long. Under the mutex.
void Revocations::drop_silent(std::int64_t revision) {
    const auto now = Clock::now();
    std::erase_if(listeners_,
                  [&](const auto& l) { return l.second.heard < revision && l.second.answered && now - *l.second.answered > between_polls; });
}

bool Revocations::settled(std::int64_t revision, bool last) {
    const std::lock_guard lock(mutex_);
    drop_silent(revision);
    if (last) std::erase_if(listeners_, [&](const auto& l) { return l.second.heard < revision; });
    if (last || peers_->have_heard(revision))
        return std::all_of(listeners_.begin(), listeners_.end(), [&](const auto& l) { return l.second.heard >= revision; });
    hurry_ = true;
    looked_for_.notify_all();
    return false;
}

http::Response Revocations::when_heard(http::Response response, std::int64_t revision) {
    if (!server_ || response.park) return response;
    peers_->look();  // one that has started this moment has listeners already
    if (settled(revision, false)) return response;
    http::Response later;
    later.park = std::make_shared<http::Park>();
    later.park->topic = heard_topic;
    later.park->deadline = Clock::now() + patience;
    later.park->poll = [this, revision, held = std::move(response)](bool last) -> std::optional<http::Response> {
        return settled(revision, last) ? std::optional(held) : std::nullopt;
    };
    return later;
}

http::Response Announcing::handle(http::Request& request) {
    const bool may_revoke = request.method == "DELETE" || request.method == "PATCH" || request.path.ends_with("/password");
    const std::int64_t before = tokens_.revision();
    http::Response response = inner_.handle(request);
    const std::int64_t after = tokens_.revision();
    return may_revoke && before != after ? revocations_.when_heard(std::move(response), after) : response;
}

}  // namespace pilvi::identity
