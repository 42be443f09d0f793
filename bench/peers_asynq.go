package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// redisVariable names the server of Redis.
const redisVariable = "TEST_REDIS_URL"

// errNoRedis says why there are no figures of asynq.
var errNoRedis = errors.New("no Redis: set " + redisVariable)

// asynqCheck is how often asynq looks for a task if its queue is empty. With the default
// of one second, the median of the latency would be half a second.
const asynqCheck = 5 * time.Millisecond

// asynqRetention is how long asynq keeps a task that was completed, so that it knows a
// duplicate.
const asynqRetention = 24 * time.Hour

const asynqType = "job_ended"

// connectRedis returns how to connect to Redis. The error is errNoRedis if there is no
// server.
func connectRedis() (asynq.RedisConnOpt, error) {
	address, named := os.LookupEnv(redisVariable)
	if !named {
		address = "redis://127.0.0.1:6379"
	}
	option, err := asynq.ParseRedisURI(address)
	if err != nil {
		return nil, errors.New(redisVariable + " is no URL of Redis") // it may hold a password
	}
	client := asynq.NewClient(option)
	defer client.Close()
	if err := client.Ping(); err != nil {
		if named {
			return nil, err
		}
		return nil, errNoRedis
	}
	return option, nil
}

func migrateNothing(context.Context, *scratch) error { return nil }

// openAsynq keeps jobs in Redis, and effects in PostgreSQL. The two commit separately: a
// crash between them repeats the effect.
func openAsynq(ctx context.Context, w *workplace) (*service, error) {
	option, err := connectRedis()
	if err != nil {
		return nil, err
	}
	db, err := openPgxPool(ctx, w.postgres)
	if err != nil {
		return nil, err
	}
	queue := "bench_" + rand.Text()[:12]
	client := asynq.NewClient(option)
	mux := asynq.NewServeMux()
	mux.HandleFunc(asynqType, func(ctx context.Context, t *asynq.Task) error {
		var job endedJob
		if err := json.Unmarshal(t.Payload(), &job); err != nil {
			return errors.Join(err, asynq.SkipRetry)
		}
		w.task.enter(job.JobID)
		if _, err := db.Exec(ctx, insertEffect, job.JobID, job.UserID); err != nil {
			return err
		}
		w.task.finish()
		return nil
	})
	server := asynq.NewServer(option, asynq.Config{
		Concurrency: peerWorkers, Queues: map[string]int{queue: 1}, TaskCheckInterval: asynqCheck, LogLevel: asynq.ErrorLevel,
	})
	if err := server.Start(mux); err != nil {
		db.Close()
		return nil, errors.Join(err, client.Close())
	}
	return &service{
		handler: handlerByHand(func(ctx context.Context, d *handDelivery) error {
			payload, err := json.Marshal(endedJob{d.JobID, string(d.Status), d.Metadata.UserID})
			if err != nil {
				return err
			}
			_, err = client.EnqueueContext(ctx, asynq.NewTask(asynqType, payload),
				asynq.TaskID(d.JobID), asynq.Queue(queue), asynq.Retention(asynqRetention))
			if errors.Is(err, asynq.ErrTaskIDConflict) {
				return nil // it is a duplicate
			}
			return err
		}),
		submitter: submitByHand(w),
		stop: func(context.Context) error {
			server.Shutdown()
			db.Close()
			return client.Close()
		},
		clean: func() error {
			return removeAsynqQueue(option, queue)
		},
	}, nil
}

// removeAsynqQueue removes all that asynq keeps of a queue. DeleteQueue would leave the
// completed tasks and the counters.
func removeAsynqQueue(option asynq.RedisConnOpt, queue string) error {
	inspector := asynq.NewInspector(option)
	_, err := inspector.DeleteAllCompletedTasks(queue)
	err = errors.Join(err, inspector.DeleteQueue(queue, true), inspector.Close())
	client, ok := option.MakeRedisClient().(redis.UniversalClient)
	if !ok {
		return errors.Join(err, errors.New("asynq uses another client of Redis"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	counters := "asynq:{" + queue + "}:processed"
	days := client.Keys(ctx, counters+":*")
	err = errors.Join(err, days.Err(), client.Del(ctx, append(days.Val(), counters)...).Err())
	return errors.Join(err, client.Close())
}
