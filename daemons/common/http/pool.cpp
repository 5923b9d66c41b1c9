#include "http/pool.h"

#include <pthread.h>

namespace pilvi::http {

bool Pool::submit(std::function<void()> task, bool force) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return false;
        const bool spare = idle_ > tasks_.size();
        const bool grow = !spare && threads_.size() < most_;
        if (!spare && !grow && !force && tasks_.size() >= queue_) return false;
        tasks_.push_back(std::move(task));
        if (grow) {
            threads_.emplace_back([this] { work(); });
            pthread_setname_np(threads_.back().native_handle(), name_.substr(0, 15).c_str());
        }
    }
    wake_.notify_one();
    return true;
}

void Pool::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        ++idle_;
        wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
        --idle_;
        if (stopping_) return;
        std::function<void()> task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        task();
        task = nullptr;
        lock.lock();
        ++finished_;
    }
}

void Pool::stop() {
    std::vector<std::thread> threads;
    std::deque<std::function<void()>> dropped;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        threads.swap(threads_);
        dropped.swap(tasks_);
    }
    wake_.notify_all();
    for (std::thread& thread : threads) thread.join();
}

bool Pool::has_room() const { return tasks_.size() <= idle_ + (most_ - threads_.size()); }

bool Pool::keep() {
    const std::lock_guard lock(mutex_);
    if (stopping_ || !has_room() || kept_ + 1 >= most_) return false;
    ++kept_;
    return true;
}

bool Pool::may_go_on() {
    const std::lock_guard lock(mutex_);
    ++finished_;
    return !stopping_ && has_room();
}

void Pool::release() {
    const std::lock_guard lock(mutex_);
    --kept_;
}

std::uint64_t Pool::finished() const {
    const std::lock_guard lock(mutex_);
    return finished_;
}

}  // namespace pilvi::http
