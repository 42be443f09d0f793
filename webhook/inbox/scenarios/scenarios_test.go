package scenarios_test

import (
	"flag"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// scenario is one story. Several can have the number of one scenario of the
// specification.
type scenario struct {
	number int
	name   string
	story  func(t *testing.T, e *inboxtest.Env)
	needs  needs
	server []reductotest.Option
}

// needs says how a scenario has to be run.
type needs int

const (
	database needs = 1 << iota // not over memory
	realTime                   // no virtual time
	alone                      // it measures, so nothing runs beside it
)

// scenarios are those of the specification that touch a store. TestEveryScenarioHasATest
// knows where the others are.
var scenarios = []scenario{
	{number: 2, name: "WrongSecretTouchesNoStore", story: wrongSecret},
	{number: 3, name: "SecretThatIsNearlyRightIsRefused", story: nearlyRightSecret},
	{number: 4, name: "EachSecretIsAcceptedAndCounted", story: severalSecrets},
	{number: 5, name: "MetadataOfAnyFormIsKeptAsItCame", story: metadataOfAnyForm},
	{number: 6, name: "SecretThatIsNoStringIsRefused", story: secretNoString},
	{number: 7, name: "SecretUnderAnotherNameOrTwiceIsRefused", story: secretUnderAnotherName},
	{number: 8, name: "TokenWithAnotherJobIsRefusedAfterBind", story: tokenAfterBind},
	{number: 8, name: "TokenWithAnotherJobWaitsBeforeBind", story: tokenBeforeBind},
	{number: 8, name: "JobOfAnotherSubmissionIsGivenToItByBind", story: tokenWithJobOfAnother},
	{number: 8, name: "DeliveryWaitsForTheHoldIfNoAnswerComes", story: holdEnds},
	{number: 8, name: "SubmissionSentTwiceAcceptsTwoJobs", story: sentTwice},
	{number: 9, name: "LateTokenIsRefusedAndClockGoingBackOpensNoLease", story: lateToken},
	{number: 10, name: "FloodOfForgeriesCostsNoStoreCalls", story: flood, needs: realTime | alone},
	{number: 11, name: "BodyThatIsNoDeliveryIsMalformed", story: notADelivery},
	{number: 12, name: "AmbiguousMembersAreMalformed", story: ambiguousMembers},
	{number: 13, name: "IllegalJobIDIsMalformed", story: illegalJobIDs},
	{number: 14, name: "LegalJobIDNeedNotBeUUID", story: otherJobIDs},
	{number: 15, name: "FailedJobReachesTheFunctionOnce", story: failedJob},
	{number: 16, name: "UnknownStatusIsReceivedAndTheAPIDecides", story: unknownStatus},
	{number: 17, name: "BodyIsLimited", story: bodyLimit},
	{number: 18, name: "ConsumedBodyIsAnError", story: consumedBody},
	{number: 19, name: "OtherMethodsAreRefused", story: otherMethods},
	{number: 20, name: "AnyContentTypeIsAccepted", story: contentTypes},
	{number: 21, name: "SameDeliveryFourTimesIsOneCall", story: fourTimes},
	{number: 22, name: "TwoReplicasAtOnceAreOneCall", story: twoReplicas},
	{number: 23, name: "ThousandDeliveriesOfOneJobAreOneCall", story: thousandAtOnce},
	{number: 24, name: "ContradictionIsCountedAndTheAPIDecides", story: contradiction},
	{number: 25, name: "DuplicateAfterPurgeIsOneRequestAndNoCall", story: duplicateAfterPurge},
	{number: 26, name: "DeliveryAndReconcilerAtOnceAreOneCall", story: deliveryAndReconciler},
	{number: 27, name: "LostAnswerIsADuplicateLater", story: answerLost},
	{number: 28, name: "CrashBeforeClaimLosesNothing", story: crashBeforeClaim},
	{number: 29, name: "CrashAfterClaimIsRepeatedAfterTheLease", story: crashAfterClaim},
	{number: 30, name: "CompletionAfterTheLeaseIsRefused", story: pausedThenReturns(nil)},
	{number: 31, name: "FailureAfterTheLeaseIsRefused", story: pausedThenReturns(errNotNow)},
	{number: 32, name: "EffectWithoutCompletionIsRepeated", story: effectWithoutCompletion},
	{number: 32, name: "EffectWithCompleteTxIsNotRepeated", story: effectInTransaction(true), needs: database},
	{number: 32, name: "EffectThatIsNotCommittedIsNotLost", story: effectInTransaction(false), needs: database},
	{number: 33, name: "FailingHeartbeatEndsTheCallBeforeTheLease", story: heartbeatFails},
	{number: 34, name: "JobThatPanicsIsDeadAndOthersGoOn", story: poison},
	{number: 35, name: "StoreIsBackBeforeTheRetry", story: storeDown(true), server: slowRetries},
	{number: 35, name: "StoreIsBackAfterTheRetries", story: storeDown(false), server: slowRetries},
	{number: 36, name: "LateCommitOfDelivery", story: lateCommit("Receive")},
	{number: 36, name: "LateCommitOfCompletion", story: lateCommit("Finish")},
	{number: 36, name: "LateCommitOfAnswer", story: lateCommit("Bind")},
	{number: 36, name: "LateCommitOfSubmission", story: lateCommit("Submit")},
	{number: 37, name: "SlowStoreIsAnsweredForInTime", story: slowStore},
	{number: 38, name: "FullDiskLeavesNoHalfState", story: fullDisk},
	{number: 41, name: "DeliveryBeforeTheAnswerWaitsForIt", story: deliveryBeforeAnswer(false)},
	{number: 41, name: "DeliveryBeforeTheAnswerSurvivesACrash", story: deliveryBeforeAnswer(true)},
	{number: 42, name: "DeliveryTellsWhatALostAnswerWas", story: answerToSubmissionLost(false)},
	{number: 42, name: "ListTellsWhatALostAnswerWas", story: answerToSubmissionLost(true)},
	{number: 42, name: "RunningJobOfALostAnswerIsFound", story: runningJobOfLostAnswer},
	{number: 42, name: "SubmissionWithoutAJobEndsAsUnknown", story: submissionWithoutJob},
	{number: 42, name: "RefusedSubmissionLeavesNoRecord", story: refusedSubmission},
	{number: 43, name: "ReconcilerFindsJobWhoseDeliveriesWereLost", story: deliveriesLost},
	{number: 44, name: "SlowFunctionRunsOnce", story: slowFunction},
	{number: 45, name: "JobThatIsGoneEndsAsExpired", story: jobGone},
	{number: 45, name: "FunctionFindsTheJobGone", story: functionFindsJobGone},
	{number: 45, name: "NewJobThatIsNotVisibleYetIsFetchedAgain", story: jobNotVisibleYet},
	{number: 48, name: "APIThatLagsBehindTheDeliveryIsAskedAgain", story: readLag},
	{number: 48, name: "JobThatNeverEndsIsUnknown", story: readLagForever},
	{number: 49, name: "EachAttemptGetsAFreshLink", story: freshLink, server: []reductotest.Option{reductotest.WithURLResultThreshold(10)}},
	{number: 50, name: "CancelledJobEnds", story: cancelled},
	{number: 50, name: "DeletedJobEnds", story: deleted},
	{number: 51, name: "ShutdownWaitsForFunctions", story: shutdownWaits},
	{number: 51, name: "ShutdownStopsFunctionsAfterItsContext", story: shutdownStops},
	{number: 51, name: "ShutdownDoesNotWaitForTheAPI", story: shutdownWhileFetching},
	{number: 51, name: "EndOfRunsContextGivesRecordsBack", story: contextOfRunEnds},
	{number: 52, name: "ShutdownWithAFullQueueLosesNothing", story: shutdownFullQueue},
	{number: 53, name: "ShutdownAtAnyTime", story: shutdownAtAnyTime},
	{number: 54, name: "NoGoroutinesAreLeft", story: noGoroutines, needs: alone},
	{number: 55, name: "ManyPendingJobsTakeFewRequests", story: manyPending},
	{number: 55, name: "ReconcilerObeysItsRate", story: pollRate},
	{number: 56, name: "RetryAfterInSecondsIsObeyed", story: tooManyRequests(func() string { return "120" })},
	{number: 56, name: "RetryAfterAsADateIsObeyed", story: tooManyRequests(inTwoMinutes)},
	{number: 57, name: "NonsenseWhilePollingChangesNoRecord", story: nonsense},
	{number: 58, name: "UnknownKeyPausesWork", story: keyRefused(401)},
	{number: 58, name: "ForbiddenKeyPausesWork", story: keyRefused(403)},
	{number: 59, name: "TwoReconcilersHaveNoDoubleEffect", story: twoReconcilers},
	{number: 59, name: "ReconcilersThatBothHaveTheLock", story: lockLost},
	{number: 60, name: "JobMissingInTheListIsFetched", story: missingInList},
	{number: 60, name: "NewJobMayNotBeVisibleYet", story: trackedJobNotVisible},
	{number: 60, name: "OneOfTwoJobsIsGone", story: oneOfTwoGone},
	{number: 61, name: "SecretAppearsNowhere", story: secretsAppearNowhere(false)},
	{number: 61, name: "TokenAppearsNowhere", story: secretsAppearNowhere(true)},
	{number: 62, name: "LabelsComeFromFixedSets", story: labels},
	{number: 63, name: "WorkerSurvivesAStoreThatPanics", story: storePanicsInWorker},
	{number: 63, name: "LoggerAndObserverCannotStopIntake", story: observersMisbehave},
}

// backend is a store to run the scenarios over.
type backend struct {
	name string
	open func(t *testing.T) inboxtest.Backend
}

var backends = []backend{{"memory", func(t *testing.T) inboxtest.Backend { return inboxtest.Memory(t) }}}

func TestScenarios(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			if s.needs&alone == 0 {
				t.Parallel()
			}
			for _, b := range backends {
				memory := b.name == "memory"
				if memory && s.needs&database != 0 {
					continue
				}
				t.Run(b.name, func(t *testing.T) {
					if s.needs&alone == 0 {
						t.Parallel()
					}
					if memory && s.needs&realTime == 0 {
						synctest.Test(t, func(t *testing.T) { s.story(t, newEnv(t, b, s.server)) })
					} else {
						s.story(t, newEnv(t, b, append(s.server[:len(s.server):len(s.server)], reductotest.OnTCP())))
					}
				})
			}
		})
	}
}

// newEnv returns an Env in which hours pass by Advance and all work is done by Once,
// so that a story only waits where it is about waiting.
func newEnv(t *testing.T, b backend, server []reductotest.Option) *inboxtest.Env {
	e := inboxtest.New(t, b.open(t), append([]reductotest.Option{
		reductotest.WithRetrySchedule(20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond),
	}, server...)...)
	e.Options = []inbox.Option{
		inbox.WithPollRate(1000), inbox.WithClaimInterval(10 * time.Millisecond),
		inbox.WithMinBackoff(10 * time.Millisecond), inbox.WithMaxBackoff(20 * time.Millisecond),
		inbox.WithIntakeTimeout(20 * time.Second), inbox.WithStoreTimeout(10 * time.Second), // a busy machine is no slow store
	}
	e.Client = []reducto.Option{reducto.WithMaxRetries(0)}
	return e
}

// slowRetries leave time to mend a store before the first retry.
var slowRetries = []reductotest.Option{reductotest.WithRetrySchedule(time.Second, 50*time.Millisecond, 50*time.Millisecond)}

// TestMain runs more tests at a time than there are cores, as most wait for a disk or
// a server.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given && !raceEnabled {
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
