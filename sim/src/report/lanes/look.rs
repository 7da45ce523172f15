//! How the lanes look, and the little that moves in them: colours for light and dark, a hair line that tells the time, and
//! a card with the details of what lies under the pointer.

/// The looks.
pub(in crate::report) const STYLE: &str = "
:root{--panel:#fff;--edge:#e3e5e8;--soft:#6c737d;--h0:#3b6fd4;--h1:#d3702a;--h2:#2c9463;--h3:#9a4fc0;--h4:#c23d5f;
--h5:#1b8fa3;--h6:#8a7620;--h7:#5f56cc;--harm:#d23f3f;--wait:#e0a100}
@media(prefers-color-scheme:dark){:root{--panel:#1b1e24;--edge:#2c3038;--soft:#99a1ad;--h0:#6b9bf2;--h1:#eb9555;--h2:#55c08d;
--h3:#bf86e0;--h4:#e6708f;--h5:#4fbfd2;--h6:#c2ad50;--h7:#9b94f2;--harm:#ef6b66;--wait:#e8b93c}}
.h0{--c:var(--h0)}.h1{--c:var(--h1)}.h2{--c:var(--h2)}.h3{--c:var(--h3)}.h4{--c:var(--h4)}.h5{--c:var(--h5)}
.h6{--c:var(--h6)}.h7{--c:var(--h7)}
.lanes dl{display:flex;flex-wrap:wrap;gap:8px 28px;margin:18px 0 14px}.lanes dl div{min-width:52px}
.lanes dd{margin:0;font-size:19px;font-weight:600;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.lanes dt{color:var(--soft);font-size:12px}
.lanes .key{display:flex;flex-wrap:wrap;gap:5px 18px;margin:0 0 12px;color:var(--soft);font-size:12px;align-items:center}
.key span{display:inline-flex;align-items:center;gap:7px}.key u{width:20px;height:9px;position:static!important}
.key .mark{position:static;transform:none}.key u.gap{height:3px}
.key u:is(.ordered,.reliable,.latest,.unreliable){height:2px;background:var(--k)}
.ordered{--k:var(--ordered)}.reliable{--k:var(--reliable)}.latest{--k:var(--latest)}.unreliable{--k:var(--unreliable)}
.server{--k:var(--soft)}
input[name=zoom]{position:absolute;opacity:0;pointer-events:none}
.zoom{display:inline-flex;border:1px solid var(--edge);border-radius:7px;overflow:hidden;margin-bottom:10px;font-size:12px}
.zoom label{padding:3px 13px;cursor:pointer;color:var(--soft);background:var(--panel)}
.zoom label+label{border-left:1px solid var(--edge)}
#z1:checked~.zoom [for=z1],#z4:checked~.zoom [for=z4],#z16:checked~.zoom [for=z16]{background:var(--ink);color:var(--ground)}
input:focus-visible~.zoom{outline:2px solid var(--h0);outline-offset:2px}
.lanes .stage{display:flex;margin:0 0 18px;background:var(--panel);border:1px solid var(--edge);border-radius:10px}
.lanes .names{position:relative;width:112px;flex:none;border-right:1px solid var(--edge)}
.name{position:absolute;left:14px;line-height:1.25;padding-top:12px}.name b{display:block;font-weight:600;font-size:13px}
.name.h0,.name.h1,.name.h2,.name.h3,.name.h4,.name.h5,.name.h6,.name.h7{padding-left:11px}
.name[class*=' h']::before{content:'';position:absolute;left:0;top:15px;width:4px;height:26px;border-radius:2px;
background:var(--c)}
.name small{color:var(--soft);font-size:11px}
.lobby{position:absolute;left:14px;padding-top:9px;font-size:11px;letter-spacing:.07em;text-transform:uppercase;
color:var(--soft)}
.lanes .scroll{flex:1;min-width:0;overflow-x:auto}
.time{position:relative;min-width:860px;width:calc(100% - 26px);margin-right:26px;overflow:clip;overflow-clip-margin:26px}
#z4:checked~.stage .time{width:400%}#z16:checked~.stage .time{width:1600%}
.time>*{position:absolute}.time>svg{left:0;top:0;width:100%;pointer-events:none}
.row{left:0;right:0;border-bottom:1px solid color-mix(in srgb,var(--edge) 55%,transparent)}
.heading{left:0;right:0;background:color-mix(in srgb,var(--ink) 3.5%,transparent)}
.tick{top:0;bottom:0;width:0;border-left:1px solid color-mix(in srgb,var(--edge) 60%,transparent)}
.tick span{position:absolute;left:5px;top:5px;font:11px system-ui,sans-serif;color:var(--soft);white-space:nowrap}
.time>.calm{top:0;bottom:0;background:color-mix(in srgb,var(--reliable) 7%,transparent);pointer-events:none;
border-left:1px solid color-mix(in srgb,var(--reliable) 55%,transparent)}
.calm span{position:absolute;top:31px;left:4px;padding:0 5px;border-radius:4px;font-size:10px;line-height:15px;
color:var(--reliable);background:var(--panel);white-space:nowrap;z-index:2}
.settled{top:0;bottom:0;border-left:1px solid var(--reliable)}
.bar{box-sizing:border-box;border-radius:3px;min-width:2px;overflow:hidden;color:#fff;font-size:10.5px;line-height:17px;
background:color-mix(in srgb,var(--c,var(--soft)) 30%,var(--panel))}
.bar span{padding-left:9px;white-space:nowrap;font-weight:600}.bar.host{background:var(--c)}
@media(prefers-color-scheme:dark){.bar{color:#10131a}}
.bar.away{background:repeating-linear-gradient(115deg,color-mix(in srgb,var(--c,var(--soft)) 30%,var(--panel)) 0 4px,
color-mix(in srgb,var(--c,var(--soft)) 10%,var(--panel)) 4px 8px)}
.bar.host.away{background:repeating-linear-gradient(115deg,var(--c) 0 5px,
color-mix(in srgb,var(--c) 65%,var(--panel)) 5px 10px)}
.bar.barred{box-shadow:inset 0 0 0 2px var(--wait)}.bar.collecting{box-shadow:inset 0 0 0 2px var(--c,var(--soft))}
.bar.frozen{opacity:.6}
.fault{background:color-mix(in srgb,var(--harm) 11%,transparent);border-left:2px solid var(--harm);box-sizing:border-box;
overflow:hidden}.fault span{display:block;padding:2px 0 0 5px;font-size:10px;line-height:13px;white-space:nowrap;
text-overflow:ellipsis;overflow:hidden;color:var(--harm)}
.key .fault{border-radius:2px}
.strike{width:0;height:0;border:5px solid transparent;border-top:8px solid var(--harm);border-bottom:0;
transform:translateX(-5px)}
.weather{width:7px;height:5px;border-radius:3px;background:var(--soft);opacity:.55;transform:translate(-3px,4px)}
.gap{height:3px;border-radius:2px;background:var(--wait);min-width:2px}
.view{border-left:1.5px dashed var(--c,var(--soft));z-index:2}.view.light{border-left-style:dotted;opacity:.8}
.view span{position:absolute;left:-1px;top:2px;padding:0 6px;border-radius:0 7px 7px 0;background:var(--c,var(--soft));
color:#fff;font:600 10px/14px system-ui,sans-serif;white-space:nowrap}.view.r1 span{top:18px}
@media(prefers-color-scheme:dark){.view span{color:#10131a}}
.mark{width:9px;height:9px;transform:translate(-50%,-50%);box-sizing:border-box;border-radius:50%;background:var(--panel);
border:2px solid var(--ink);z-index:3}
.mark.joined{background:var(--ink);width:7px;height:7px}.mark.resumed{border-color:var(--reliable)}
.mark.doubt{border:0;width:6px;height:6px;background:var(--wait)}
.mark.lost{border-radius:1px;transform:translate(-50%,-50%) rotate(45deg);background:var(--harm);border-color:var(--panel);
border-width:1px}.key .mark.lost{transform:rotate(45deg)}
.mark.ended{border:0;border-radius:0;background:linear-gradient(45deg,transparent 40%,var(--ink) 40% 60%,transparent 60%),
linear-gradient(-45deg,transparent 40%,var(--ink) 40% 60%,transparent 60%)}
.mark.full{border-radius:2px;border-color:var(--harm);width:8px;height:8px}
.mark.promoted{width:12px;height:12px;border:0;border-radius:0;background:var(--ink);
clip-path:polygon(50% 0,63% 35%,100% 38%,71% 60%,81% 97%,50% 76%,19% 97%,29% 60%,0 38%,37% 35%)}
.mark.paused{border-radius:1px;border-width:0 3px;background:none}
.time path{fill:none;stroke:var(--k);stroke-width:1;stroke-opacity:.32;vector-effect:non-scaling-stroke;pointer-events:stroke}
.time path.late{stroke-opacity:.7}.time path:not(.area):hover{stroke-opacity:1;stroke-width:2.5}
.time .l1,.time .l2{display:none}#z4:checked~.stage .l1,#z16:checked~.stage :is(.l1,.l2){display:inline}
.time path.area{stroke:none;pointer-events:none;fill:var(--soft);fill-opacity:.22}.time path.said{fill-opacity:.55}
.time path.relayed{fill-opacity:.4}
.broken{top:0;bottom:0;border-left:2px solid var(--harm);z-index:4}
.time>.broken{font:600 11px system-ui,sans-serif;color:var(--harm);padding:4px 0 0 5px;transform:translateX(-2px)}
.hair{top:0;bottom:0;width:0;border-left:1px solid var(--ink);opacity:0;pointer-events:none;z-index:5}
.hair::after{content:attr(data-at);position:absolute;left:0;top:0;transform:translateX(-50%);background:var(--ink);
color:var(--ground);border-radius:4px;padding:0 6px;font:600 11px/17px system-ui,sans-serif;white-space:nowrap}
.tip{position:fixed;z-index:9;max-width:340px;padding:7px 11px;border-radius:7px;background:var(--ink);color:var(--ground);
font-size:12px;line-height:1.45;white-space:pre-line;pointer-events:none;opacity:0;box-shadow:0 6px 22px rgb(0 0 0/.22)}
";

/// What moves.
pub(in crate::report) const SCRIPT: &str = "
const time=document.querySelector('.time'),scroll=time.parentNode,hair=time.querySelector('.hair');
const tip=document.body.appendChild(Object.assign(document.createElement('div'),{className:'tip'}));
time.addEventListener('mousemove',event=>{
  const box=time.getBoundingClientRect(),at=(event.clientX-box.left)/box.width*time.dataset.end;
  hair.style.cssText=`left:${event.clientX-box.left}px;opacity:.5`;hair.dataset.at=at.toFixed(2)+' s';
});
time.addEventListener('mouseleave',()=>hair.style.opacity=0);
document.addEventListener('mousemove',event=>{
  const over=event.target.closest?.('[data-tip]');
  tip.style.opacity=over?1:0;
  if(!over)return;
  tip.textContent=over.dataset.tip;
  tip.style.left=Math.min(event.clientX+14,innerWidth-tip.offsetWidth-8)+'px';
  tip.style.top=Math.min(event.clientY+16,innerHeight-tip.offsetHeight-8)+'px';
});
let middle=0.5;
scroll.addEventListener('scroll',()=>middle=(scroll.scrollLeft+scroll.clientWidth/2)/scroll.scrollWidth);
document.querySelectorAll('[name=zoom]').forEach(input=>input.addEventListener('change',()=>{
  const kept=middle;scroll.scrollLeft=kept*scroll.scrollWidth-scroll.clientWidth/2;middle=kept;
}));
";
